//! A plain HTTP client: one connection per request, so that every request is a connection that the proxy sees.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Response, Uri, header::HOST, uri::Authority};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// How long a whole exchange may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Sends a request whose URI is absolute, and reads the whole answer.
pub(super) async fn send(request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
    let uri = request.uri().clone();
    tokio::time::timeout(PATIENCE, exchange(request))
        .await
        .with_context(|| format!("{uri}: no answer in {PATIENCE:?}"))?
}

/// The same over HTTP/2, which the server is known to speak.
pub(super) async fn send_http2(request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
    let (stream, _) = connect(request.uri()).await?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| anyhow::anyhow!("answer: {e}"))?;
    connection.abort();
    Ok(Response::from_parts(head, body.to_bytes()))
}

async fn connect(uri: &Uri) -> anyhow::Result<(TcpStream, Authority)> {
    if uri.scheme_str() != Some("http") {
        bail!("{uri}: only http:// URLs are called");
    }
    let authority = uri.authority().with_context(|| format!("{uri} names no host"))?.clone();
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await.context("connect")?;
    stream.set_nodelay(true)?;
    Ok((stream, authority))
}

async fn exchange(request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
    let (mut head, body) = request.into_parts();
    let uri = std::mem::take(&mut head.uri);
    let (stream, authority) = connect(&uri).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    head.uri = uri.path_and_query().map_or("/", |p| p.as_str()).parse::<Uri>()?;
    head.headers.entry(HOST).or_insert(authority.as_str().parse()?);
    let response = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| anyhow::anyhow!("answer: {e}"))?;
    connection.abort();
    Ok(Response::from_parts(head, body.to_bytes()))
}
