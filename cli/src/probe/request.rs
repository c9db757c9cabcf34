//! One request through a sidecar, in the name of its workload.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{Method, Uri, header::HOST};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Kind, Request, Seen};

/// How long the request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// By whom it was refused, and why.
const REASONS: [&str; 2] = ["x-isthmus-deny", "x-isthmus-error"];

pub(super) async fn look(request: &Request) -> anyhow::Result<Seen> {
    let uri: Uri = request.url.parse().with_context(|| format!("URL {:?}", request.url))?;
    ensure!(uri.scheme_str() == Some("http"), "URL {uri}: only http:// can be asked, the mesh adds TLS");
    let host = uri.authority().with_context(|| format!("URL {uri} names no host"))?.to_string();
    let mut seen = Seen::default();
    let stream = match TcpStream::connect(request.proxy).await {
        Ok(stream) => stream,
        Err(error) => return Ok(seen.bad(Kind::Tcp, format!("the sidecar at {}: {error}", request.proxy))),
    };
    seen.good(Kind::Tcp, request.proxy.to_string());
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        // In absolute form: the sidecar is asked as a proxy.
        let request = http::Request::builder().method(Method::GET).uri(uri).header(HOST, host);
        anyhow::Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?)
    };
    let Ok(exchanged) = tokio::time::timeout(PATIENCE, exchange).await else {
        return Ok(seen.bad(Kind::Answer, format!("no answer in {} s", PATIENCE.as_secs())));
    };
    let response = match exchanged {
        Ok(response) => response,
        Err(error) => return Ok(seen.bad(Kind::Answer, format!("{error:#}"))),
    };
    let status = response.status().as_u16();
    let reason = REASONS.iter().find_map(|name| Some((*name, response.headers().get(*name)?.to_str().ok()?)));
    Ok(match reason {
        Some((header, code)) => seen.bad(Kind::Answer, format!("{status}, {header}: {code}")),
        None => {
            seen.good(Kind::Answer, format!("status {status}"));
            seen
        }
    })
}
