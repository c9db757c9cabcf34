//! Port-forward (`portforward.k8s.io`) over SPDY/3.1: per forwarded connection an `error` and a `data` stream with the same request.

pub(crate) mod over_channels;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::runtime::Runtime;
use crate::spdy::{Connection, Reader, Stream, Writer};

/// Bytes read from a pod at a time.
const CHUNK: usize = 32 * 1024;
/// Connections of one client at a time, and streams that wait for their partners.
const MAX_FORWARDS: usize = 500;

/// The pod whose ports are forwarded.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) pod: String,
}

/// Serves forwarded connections until the client goes.
pub(crate) async fn serve(
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    runtime: Arc<dyn Runtime>,
    target: Target,
) {
    let Ok(mut connection) = Connection::start(input, output) else { return };
    let mut pairs = Pairs::default();
    let mut forwards = JoinSet::new();
    while let Some(stream) = connection.accept().await {
        while forwards.try_join_next().is_some() {}
        let Some((port, error, data)) = pairs.add(stream) else { continue };
        if forwards.len() < MAX_FORWARDS {
            forwards.spawn(forward(runtime.clone(), target.clone(), port, error, data));
        } else {
            refuse(error.writer, data.writer, format!("more than {MAX_FORWARDS} connections at a time")).await;
        }
    }
}

/// Streams whose partners have not come yet.
#[derive(Debug, Default)]
struct Pairs(HashMap<String, Stream>);

impl Pairs {
    /// The port, the error stream and the data stream, once both are there. A stream that makes no sense is dropped.
    fn add(&mut self, stream: Stream) -> Option<(u16, Stream, Stream)> {
        let kind = stream.headers.get("streamtype").map(String::as_str);
        let is_error = match kind {
            Some("error") => true,
            Some("data") => false,
            _ => return None,
        };
        // Clients of before 2014 number no requests; they open the error stream first.
        let request = stream
            .headers
            .get("requestid")
            .cloned()
            .unwrap_or_else(|| stream.id.saturating_sub(if is_error { 0 } else { 2 }).to_string());
        let Some(first) = self.0.remove(&request) else {
            if self.0.len() < MAX_FORWARDS {
                self.0.insert(request, stream);
            }
            return None;
        };
        let (error, data) = if is_error { (stream, first) } else { (first, stream) };
        let port = data.headers.get("port")?.parse().ok()?;
        (data.headers.get("streamtype")? == "data" && error.headers.get("streamtype")? == "error")
            .then_some((port, error, data))
    }
}

async fn forward(runtime: Arc<dyn Runtime>, target: Target, port: u16, error: Stream, data: Stream) {
    let Target { namespace, pod } = &target;
    let Stream { reader, writer, reset, .. } = data;
    match runtime.connect(namespace, pod, port).await {
        Ok(stream) => {
            let (from, to) = stream.into_split();
            tokio::select! {
                ((), ()) = async { tokio::join!(upload(reader, to), download(from, writer)) } => {}
                () = reset.cancelled() => {}
            }
        }
        Err(why) => {
            return refuse(error.writer, writer, failure(&target, port, &why)).await;
        }
    }
    error.writer.finish().await;
}

fn failure(target: &Target, port: u16, why: &std::io::Error) -> String {
    format!("error forwarding port {port} to pod {}/{}: {why}", target.namespace, target.pod)
}

async fn refuse(error: Writer, data: Writer, why: String) {
    error.send(why.into()).await;
    data.finish().await;
    error.finish().await;
}

async fn upload(mut from: Reader, mut to: impl AsyncWrite + Unpin) {
    while let Some(data) = from.recv().await {
        if to.write_all(&data).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn download(mut from: impl AsyncRead + Unpin, to: Writer) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        let Ok(1..) = from.read_buf(&mut buffer).await else { break };
        if !to.send(buffer.split().freeze()).await {
            return;
        }
    }
    to.finish().await;
}

#[cfg(test)]
mod tests;
