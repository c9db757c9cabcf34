//! `POST /calls`: many requests asked for at once, and what came of them, counted.
//!
//! `{"calls": [{"url", "method", "headers", "body", "http2", "times"} or {"tcp": "host:port", "times"}]}` is answered by one tally
//! for each call: how many had the same outcome, by whom. A call that failed is an outcome like others.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

use super::{App, client, conformance, driver, json_answer};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most requests that one call may ask for.
const MAX_TIMES: usize = 10_000;
/// Requests of one call on their way at once.
const AT_ONCE: usize = 8;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    url: Option<String>,
    /// In place of a URL: a line is sent there, and the line in answer says who it is.
    tcp: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// HTTP/2 with prior knowledge.
    #[serde(default)]
    http2: bool,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

/// What came of a request. The answers of programs of this kind say who gives them; those of a proxy don't.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// What an answer without a body says in gRPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Who called, as the program was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
    /// `closed`, `refused`, `timeout` or `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// An outcome, and how often it was seen.
#[derive(Debug, Serialize)]
struct Counted {
    #[serde(flatten)]
    outcome: Outcome,
    count: usize,
}

pub(super) async fn answer(app: &App, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let asked: Calls = match serde_json::from_slice(request.body()) {
        Ok(asked) => asked,
        Err(error) => return json_answer(StatusCode::BAD_REQUEST, &json!({ "error": error.to_string() })),
    };
    let mut tallies = Vec::new();
    for call in asked.calls {
        match tally(app, call).await {
            Ok(tally) => tallies.push(tally),
            Err(error) => return json_answer(StatusCode::BAD_REQUEST, &json!({ "error": format!("{error:#}") })),
        }
    }
    json_answer(StatusCode::OK, &json!({ "tallies": tallies }))
}

async fn tally(app: &App, call: Call) -> anyhow::Result<Vec<Counted>> {
    anyhow::ensure!(call.times <= MAX_TIMES, "times {} is more than {MAX_TIMES}", call.times);
    let what = match (&call.url, &call.tcp) {
        (Some(url), None) => What::Http { request: Box::new(build(app, &call, url)?), http2: call.http2 },
        (None, Some(address)) => What::Line(address.clone()),
        _ => anyhow::bail!("a call has either url or tcp"),
    };
    let what = Arc::new(what);
    let mut workers = JoinSet::new();
    for worker in 0..AT_ONCE {
        // Together they make as many as asked for.
        let (what, share) = (Arc::clone(&what), call.times / AT_ONCE + usize::from(worker < call.times % AT_ONCE));
        workers.spawn(async move {
            let mut outcomes = Vec::with_capacity(share);
            for _ in 0..share {
                outcomes.push(what.once().await);
            }
            outcomes
        });
    }
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    for outcome in workers.join_all().await.into_iter().flatten() {
        *counts.entry(outcome).or_default() += 1;
    }
    Ok(counts.into_iter().map(|(outcome, count)| Counted { outcome, count }).collect())
}

/// What is asked for so many times.
enum What {
    Http { request: Box<Request<Bytes>>, http2: bool },
    Line(String),
}

impl What {
    async fn once(&self) -> Outcome {
        let made = async {
            match self {
                Self::Http { request, http2 } => http(request.as_ref().clone(), *http2).await,
                Self::Line(address) => tcp(address).await,
            }
        };
        match tokio::time::timeout(PATIENCE, made).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => failed(&error),
            Err(_) => Outcome { fault: Some("timeout"), ..Outcome::default() },
        }
    }
}

fn build(app: &App, call: &Call, url: &str) -> anyhow::Result<Request<Bytes>> {
    let method = call.method.as_deref().unwrap_or("GET");
    let mut request = Request::builder().method(method).uri(url).body(Bytes::from(call.body.clone()))?;
    for (name, value) in &call.headers {
        request.headers_mut().append(name.parse::<HeaderName>()?, value.parse()?);
    }
    request.headers_mut().insert(conformance::SERVICE_NAME, app.args.service_name.parse()?);
    Ok(request)
}

async fn http(request: Request<Bytes>, http2: bool) -> anyhow::Result<Outcome> {
    let response = if http2 { client::send_http2(request).await? } else { client::send(request).await? };
    let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    Ok(Outcome {
        status: Some(response.status().as_u16()),
        grpc: text("grpc-status").and_then(|code| code.parse().ok()),
        service: text(conformance::SERVICE_NAME),
        host: text(conformance::HOST_NAME),
        port: text(conformance::PORT).and_then(|port| port.parse().ok()),
        caller: text(conformance::CALLER),
        ..Outcome::default()
    })
}

/// The line in answer is `<service> <host> <port>`.
async fn tcp(address: &str) -> anyhow::Result<Outcome> {
    let reply = driver::exchange(address, "WHO").await?;
    let mut words = reply.split(' ').map(str::to_owned);
    Ok(Outcome {
        service: words.next(),
        host: words.next(),
        port: words.next().and_then(|port| port.parse().ok()),
        ..Outcome::default()
    })
}

fn failed(error: &anyhow::Error) -> Outcome {
    Outcome { fault: Some(fault(error)), message: Some(format!("{error:#}")), ..Outcome::default() }
}

/// What kind of failure it is, by what it came from.
fn fault(error: &anyhow::Error) -> &'static str {
    for cause in error.chain() {
        if cause.is::<driver::Unanswered>() {
            return "closed";
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return "refused",
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                    return "closed";
                }
                _ => {}
            }
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
        {
            return "closed";
        }
    }
    "other"
}
