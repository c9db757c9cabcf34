//! A program's streams, carried to and fro by one of the two protocols.

pub(crate) mod over_spdy;
pub(crate) mod over_websocket;
mod status;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::runtime::{ExecOptions, ExecProcess, TerminalSize};
use crate::spdy;

/// Bytes read from a program at a time.
const CHUNK: usize = 32 * 1024;
/// A terminal's size is a short JSON object; a client that sends more without making one is not listened to.
const MAX_RESIZE: usize = 4 * 1024;

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) argv: Vec<String>,
    pub(crate) options: ExecOptions,
}

/// One direction of one of the client's streams.
#[derive(Debug)]
pub(crate) enum Output {
    Spdy(spdy::Writer),
    WebSocket(over_websocket::Channel),
}

impl Output {
    /// False when the client has gone.
    async fn send(&self, data: Bytes) -> bool {
        match self {
            Output::Spdy(writer) => writer.send(data).await,
            Output::WebSocket(channel) => channel.send(data).await,
        }
    }

    async fn finish(self) {
        match self {
            Output::Spdy(writer) => writer.finish().await,
            // These channels end with their connection.
            Output::WebSocket(_) => {}
        }
    }
}

/// The client's streams; those that it did not ask for are `None`.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: Option<mpsc::Receiver<Bytes>>,
    pub(crate) stdout: Option<Output>,
    pub(crate) stderr: Option<Output>,
    pub(crate) resize: Option<mpsc::Receiver<Bytes>>,
    pub(crate) error: Output,
}

/// Carries everything until the program has ended and its output is sent, then says how it ended.
pub(crate) async fn run(process: ExecProcess, streams: Streams) {
    let ExecProcess { stdin, stdout, stderr, resize, exit } = process;
    let input = async {
        if let (Some(from), Some(to)) = (streams.stdin, stdin) {
            feed(from, to).await;
        }
    };
    let sizes = async {
        if let (Some(from), Some(to)) = (streams.resize, resize) {
            resizes(from, to).await;
        }
    };
    let outputs = async {
        let (code, (), ()) = tokio::join!(exit, drain(stdout, streams.stdout), drain(stderr, streams.stderr));
        code
    };
    let both = async { tokio::join!(input, sizes) };
    tokio::pin!(both, outputs);
    let code = tokio::select! {
        code = &mut outputs => code,
        _ = &mut both => outputs.await,
    };
    streams.error.send(status::exited(code)).await;
    streams.error.finish().await;
}

async fn feed(mut from: mpsc::Receiver<Bytes>, mut to: impl tokio::io::AsyncWrite + Unpin) {
    while let Some(data) = from.recv().await {
        // A program may close its input; the rest is for nobody.
        if to.write_all(&data).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn drain(from: Option<impl AsyncRead + Unpin>, to: Option<Output>) {
    let Some(to) = to else { return };
    if let Some(mut from) = from {
        let mut buffer = bytes::BytesMut::new();
        loop {
            buffer.reserve(CHUNK);
            // A terminal whose last process ended answers with an error instead of an end.
            let Ok(1..) = from.read_buf(&mut buffer).await else { break };
            if !to.send(buffer.split().freeze()).await {
                return;
            }
        }
    }
    to.finish().await;
}

async fn resizes(mut from: mpsc::Receiver<Bytes>, to: mpsc::Sender<TerminalSize>) {
    let mut pending = Vec::new();
    while let Some(data) = from.recv().await {
        pending.extend_from_slice(&data);
        let mut sizes = serde_json::Deserializer::from_slice(&pending).into_iter::<TerminalSize>();
        let mut read = 0;
        while let Some(Ok(size)) = sizes.next() {
            read = sizes.byte_offset();
            if to.send(size).await.is_err() {
                return;
            }
        }
        pending.drain(..read.min(pending.len()));
        if pending.len() > MAX_RESIZE {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
