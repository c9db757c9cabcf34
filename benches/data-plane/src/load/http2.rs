//! HTTP/2 with prior knowledge.

use std::net::SocketAddr;

use anyhow::ensure;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::{Client, dial};
use crate::echo::{ID, PATH, is_body};

/// A share of a connection.
#[derive(Debug)]
pub(crate) struct Http2(SendRequest<Full<Bytes>>);

/// Opens a connection, and gives so many shares of it.
pub(super) async fn open(to: SocketAddr, streams: usize) -> anyhow::Result<Vec<SendRequest<Full<Bytes>>>> {
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.timer(TokioTimer::new());
    let (sender, connection) = client.handshake(TokioIo::new(dial(to).await?)).await?;
    // A fault of the connection shows at the requests on it.
    tokio::spawn(connection);
    Ok(vec![sender; streams])
}

impl Client for Http2 {
    async fn connect(to: SocketAddr, streams: usize) -> anyhow::Result<Vec<Self>> {
        Ok(open(to, streams).await?.into_iter().map(Self).collect())
    }

    async fn exchange(&mut self, id: &[u8; ID]) -> anyhow::Result<()> {
        let uri = format!("http://web.shop{PATH}{}", std::str::from_utf8(id)?);
        let request = Request::get(uri)
            .header("user-agent", "isthmus-bench")
            .header("accept", "*/*")
            .header("x-request-id", "9f1c2d7e-bench")
            .body(Full::default())?;
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(is_body(&body, id), "not the answer to this request");
        Ok(())
    }
}
