//! Exchanges of lines over TCP with the store.

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::report::Served;

/// Longest answer in bytes.
const MAX_LINE: u64 = 4096;

/// A client of the store with at most one connection.
pub(super) struct Client {
    target: String,
    keep: bool,
    open: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(target: String, keep: bool) -> Self {
        Self { target, keep, open: None }
    }

    /// A kept connection has no orderly end that a client could tell from a fault: when it ends, that is a failure.
    pub(super) async fn exchange(&mut self, id: &str) -> anyhow::Result<Served> {
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.target).await.context("connect")?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        stream.write_all(format!("ECHO {id}\n").as_bytes()).await.context("send")?;
        let mut reply = String::new();
        let read = (&mut stream).take(MAX_LINE).read_line(&mut reply).await.context("receive")?;
        anyhow::ensure!(read > 0, "the connection was closed without an answer");
        anyhow::ensure!(reply.trim_end() == id, "the answer is {:?}", reply.trim_end());
        if self.keep {
            self.open = Some(stream);
        }
        Ok(Served::default())
    }
}
