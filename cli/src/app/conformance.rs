//! The app of the upstream conformance suite: same paths, same answers, and headers that say who gives them.
//! Beyond it: `/status/<code>` answers with that code, `/delay/<ms>` late, and every other path as `/echo`, for routes to be tried on.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{App, answer as text, caller, client, host};

/// The header in which an app says who it is. It proves nothing.
pub(super) const SERVICE_NAME: &str = "servicename";
/// Headers of answers: the pod, and the port that was reached.
pub(super) const HOST_NAME: &str = "hostname";
pub(super) const PORT: &str = "port";
/// And who called, as the mesh has told the app.
pub(super) const CALLER: &str = "caller";

/// What `/metrics` tells.
#[derive(Debug, Default)]
pub(super) struct Records(Mutex<Lists>);

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Lists {
    req_received: Vec<String>,
    resp_succeeded: Vec<Sent>,
    resp_failed: Vec<Sent>,
}

#[derive(Debug, Serialize)]
struct Sent {
    #[serde(rename = "URL")]
    url: String,
    #[serde(rename = "Method")]
    method: String,
    #[serde(rename = "Headers")]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Call {
    url: String,
    method: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
}

pub(super) async fn answer(app: &App, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let mut response = answered(app, request).await;
    let about = [(SERVICE_NAME, app.args.service_name.clone()), (HOST_NAME, host()), (PORT, app.port.to_string())];
    let caller = caller(request).map(|caller| (CALLER, caller.to_owned()));
    for (name, value) in about.into_iter().chain(caller) {
        // A name that no header can carry isn't said.
        response.headers_mut().extend(HeaderValue::from_str(&value).map(|v| (HeaderName::from_static(name), v)));
    }
    response
}

async fn answered(app: &App, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    match (request.uri().path(), request.method()) {
        ("/metrics", &Method::GET) => match serde_json::to_string(&*app.records.0.lock()) {
            Ok(lists) => text(StatusCode::OK, "application/json", lists),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
        },
        ("/metrics", &Method::DELETE) => {
            *app.records.0.lock() = Lists::default();
            text(StatusCode::OK, "text/plain", "")
        }
        ("/metrics", _) => text(StatusCode::BAD_REQUEST, "text/plain", "Method not defined"),
        ("/call", method) => {
            app.received(request);
            if method == Method::POST && !request.body().is_empty() {
                call(app, request.body()).await
            } else {
                text(StatusCode::OK, "text/plain", "")
            }
        }
        (path, _) => {
            app.received(request);
            let number = |prefix: &str| path.strip_prefix(prefix).and_then(|number| number.parse::<u16>().ok());
            let status = number("/status/").and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
            if let Some(wait) = number("/delay/") {
                tokio::time::sleep(Duration::from_millis(wait.into())).await;
            }
            text(status, "text/plain", wire_form(request))
        }
    }
}

impl App {
    fn received(&self, request: &Request<Bytes>) {
        let name = request.headers().get(SERVICE_NAME).and_then(|v| v.to_str().ok()).unwrap_or("Unidentified");
        self.records.0.lock().req_received.push(name.to_owned());
    }
}

async fn call(app: &App, body: &Bytes) -> Response<Full<Bytes>> {
    let asked: Call = match serde_json::from_slice(body) {
        Ok(asked) => asked,
        Err(error) => return text(StatusCode::BAD_REQUEST, "text/plain", error.to_string()),
    };
    let request = match build(app, &asked) {
        Ok(request) => request,
        Err(error) => return text(StatusCode::BAD_REQUEST, "text/plain", error.to_string()),
    };
    let sent = Sent { url: asked.url, method: asked.method, headers: asked.headers.unwrap_or_default() };
    match client::send(request).await {
        Ok(response) => {
            let good = (200..400).contains(&response.status().as_u16());
            let mut lists = app.records.0.lock();
            if good { &mut lists.resp_succeeded } else { &mut lists.resp_failed }.push(sent);
            text(StatusCode::OK, "text/plain", response.into_body())
        }
        Err(error) => {
            tracing::info!(url = sent.url, "call: {error:#}");
            text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "Error completing the request")
        }
    }
}

fn build(app: &App, asked: &Call) -> anyhow::Result<Request<Bytes>> {
    let method = Method::from_bytes(asked.method.as_bytes())?;
    let body = match method {
        Method::POST | Method::PUT | Method::PATCH => Bytes::from(asked.body.clone()),
        _ => Bytes::new(),
    };
    let mut request = Request::builder().method(method).uri(&asked.url).body(body)?;
    for (name, value) in asked.headers.iter().flatten() {
        request.headers_mut().append(name.parse::<HeaderName>()?, value.parse()?);
    }
    request.headers_mut().insert(SERVICE_NAME, HeaderValue::from_str(&app.args.service_name)?);
    Ok(request)
}

/// The request as it came, in the form of HTTP/1.1.
fn wire_form(request: &Request<Bytes>) -> String {
    let mut out = format!("{} {} {:?}\r\n", request.method(), request.uri(), request.version());
    for (name, value) in request.headers() {
        out += &format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    out + "\r\n" + &String::from_utf8_lossy(request.body())
}
