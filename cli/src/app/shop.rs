//! The shop: a front, a catalog in two versions, orders.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{App, caller, client, driver, json_answer, not_found};

/// Headers that the front passes on: an A/B split by header sees them, and traces go on.
const PASSED_ON: [&str; 4] = ["x-beta", "user-agent", "traceparent", "tracestate"];

/// `GET /`: what catalog and orders say. `GET /catalog`, `POST /buy`: one of them.
pub(super) async fn web(app: &App, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let args = &app.args;
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => {
            let catalog = ask(request, Method::GET, format!("{}/items", args.catalog_url)).await;
            let orders = ask(request, Method::GET, format!("{}/orders", args.orders_url)).await;
            json_answer(StatusCode::OK, &json!({ "service": "web", "catalog": catalog, "orders": orders }))
        }
        (&Method::GET, "/catalog") => relay(ask(request, Method::GET, format!("{}/items", args.catalog_url)).await),
        (&Method::POST, "/buy") => relay(ask(request, Method::POST, format!("{}/orders", args.orders_url)).await),
        (_, path) => not_found(path),
    }
}

/// `GET /items`, `POST /items`, `GET /admin`: each works, so whatever is refused was refused by policy.
pub(super) fn catalog(app: &App, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let about = |more: Value| {
        let mut about = json!({ "service": "catalog", "version": app.args.version, "caller": caller(request) });
        if let (Some(about), Value::Object(more)) = (about.as_object_mut(), more) {
            about.extend(more);
        }
        about
    };
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/items") => {
            json_answer(StatusCode::OK, &about(json!({ "items": ["globe", "map", "compass"] })))
        }
        (&Method::POST, "/items") => json_answer(StatusCode::CREATED, &about(json!({ "created": true }))),
        (&Method::GET, "/admin") => json_answer(StatusCode::OK, &about(json!({ "admin": true }))),
        (_, path) => not_found(path),
    }
}

/// `POST /orders` counts one more in the store, `GET /orders` tells how many there are.
pub(super) async fn orders(app: &App, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let (line, done) = match (request.method(), request.uri().path()) {
        (&Method::POST, "/orders") => ("INCR orders", StatusCode::CREATED),
        (&Method::GET, "/orders") => ("GET orders", StatusCode::OK),
        (_, path) => return not_found(path),
    };
    let about = |more: (&str, Value)| json!({ "service": "orders", "caller": caller(request), (more.0): more.1 });
    match driver::exchange(&app.args.store_addr, line).await {
        Ok(count) => json_answer(done, &about(("orders", json!(count)))),
        Err(error) => json_answer(StatusCode::BAD_GATEWAY, &about(("error", json!(format!("store: {error:#}"))))),
    }
}

/// Asks another service; gives its status with its answer.
async fn ask(original: &Request<Bytes>, method: Method, url: String) -> Value {
    let exchange = async {
        let mut request = Request::builder().method(method).uri(url).body(original.body().clone())?;
        for name in PASSED_ON {
            if let Some(value) = original.headers().get(name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        client::send(request).await
    };
    match exchange.await {
        Ok(response) => {
            let text = String::from_utf8_lossy(response.body());
            let denied = response.headers().get("x-isthmus-deny").and_then(|v| v.to_str().ok());
            let body = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
            json!({ "status": response.status().as_u16(), "denied": denied, "body": body })
        }
        Err(error) => json!({ "status": 502, "error": format!("{error:#}") }),
    }
}

/// The other service's status as our own.
fn relay(answer: Value) -> Response<Full<Bytes>> {
    let status = answer.get("status").and_then(Value::as_u64).and_then(|s| u16::try_from(s).ok());
    let status = status.and_then(|s| StatusCode::from_u16(s).ok()).unwrap_or(StatusCode::BAD_GATEWAY);
    json_answer(status, &answer)
}
