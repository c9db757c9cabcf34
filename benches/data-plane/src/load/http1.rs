//! HTTP/1.1 with keep-alive.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Client, dial};
use crate::echo::{
    ID, PATH,
    http1::{content_length, end_of_head},
    is_body,
};

/// Most bytes of an answer.
const ANSWER: usize = 16 << 10;

/// A connection.
#[derive(Debug)]
pub(crate) struct Http1 {
    stream: TcpStream,
    request: Vec<u8>,
    input: Vec<u8>,
}

impl Client for Http1 {
    async fn connect(to: SocketAddr, streams: usize) -> anyhow::Result<Vec<Self>> {
        ensure!(streams == 1, "HTTP/1.1 has one request at a time");
        let request = format!(
            "GET {PATH}{:0ID$} HTTP/1.1\r\nhost: web.shop\r\nuser-agent: isthmus-bench\r\naccept: */*\r\n\
             accept-encoding: identity\r\nx-request-id: 9f1c2d7e-bench\r\n\r\n",
            0
        );
        Ok(vec![Self { stream: dial(to).await?, request: request.into(), input: Vec::with_capacity(ANSWER) }])
    }

    async fn exchange(&mut self, id: &[u8; ID]) -> anyhow::Result<()> {
        let at = "GET ".len() + PATH.len();
        self.request.get_mut(at..at + ID).context("no room for the ID")?.copy_from_slice(id);
        self.stream.write_all(&self.request).await?;
        self.input.clear();
        let (head, length) = loop {
            self.fill().await?;
            if let Some(end) = end_of_head(&self.input) {
                break (end, answered(&self.input, end)?);
            }
        };
        while self.input.len() < head + length {
            self.fill().await?;
        }
        ensure!(self.input.get(head..).is_some_and(|body| is_body(body, id)), "not the answer to this request");
        Ok(())
    }
}

impl Http1 {
    async fn fill(&mut self) -> anyhow::Result<()> {
        ensure!(self.input.len() < ANSWER, "the answer is too long");
        ensure!(self.stream.read_buf(&mut self.input).await? > 0, "the connection was closed");
        Ok(())
    }
}

/// The length of an answer's body; its status must be 200.
fn answered(input: &[u8], head: usize) -> anyhow::Result<usize> {
    let head = input.get(..head).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    ensure!(text.starts_with("HTTP/1.1 200"), "answered {text:?}");
    Ok(content_length(head).with_context(|| format!("no length in {text:?}"))?.try_into()?)
}
