//! Unary gRPC as it looks on the wire: a framed message each way, and the status in trailers.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;

use super::{Client, http2::open};
use crate::echo::{BODY, ID, body};

/// A share of a connection.
#[derive(Debug)]
pub(crate) struct Grpc(SendRequest<Full<Bytes>>);

impl Client for Grpc {
    async fn connect(to: SocketAddr, streams: usize) -> anyhow::Result<Vec<Self>> {
        Ok(open(to, streams).await?.into_iter().map(Self).collect())
    }

    async fn exchange(&mut self, id: &[u8; ID]) -> anyhow::Result<()> {
        let message = message(id);
        let request = Request::post("http://web.shop/api.Items/Get")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "isthmus-bench")
            .body(Full::new(message.clone()))?;
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
        let answer = response.into_body().collect().await?;
        let status = answer.trailers().and_then(|t| t.get("grpc-status")).cloned().context("no grpc-status")?;
        ensure!(status == "0", "grpc-status {status:?}");
        ensure!(answer.to_bytes() == message, "not the answer to this call");
        Ok(())
    }
}

/// Not compressed, the length in four bytes, the message.
fn message(id: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + BODY);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(BODY).unwrap_or(u32::MAX));
    framed.put_slice(&body(id));
    framed.freeze()
}
