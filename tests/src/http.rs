//! A small HTTP/1.1 client that blocks: one request, one connection.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends to 127.0.0.1:`port` and reads the whole answer.
pub fn send(port: u16, request: Request<String>) -> anyhow::Result<Response<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request.map(|body| Full::new(Bytes::from(body)))).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        anyhow::Ok(Response::from_parts(parts, String::from_utf8_lossy(&body).into_owned()))
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await }).context("no answer in time")?
}

/// A request without a body.
pub fn request(method: &str, path: &str) -> Request<String> {
    with_body(method, path, String::new())
}

/// A request with a body.
pub fn with_body(method: &str, path: &str, body: String) -> Request<String> {
    let mut request = Request::new(body);
    *request.method_mut() = method.parse().unwrap_or_default();
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("localhost"));
    request
}
