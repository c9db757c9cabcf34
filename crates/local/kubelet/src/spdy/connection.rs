//! A connection, from the server's side: the peer opens streams, we read and write them.

use std::collections::HashMap;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;

use super::frame::{Codec, Frame, FrameError};
use super::headers::Headers;

/// Streams that a peer may have open at one time: 500 forwarded connections.
const MAX_STREAMS: usize = 1000;
/// Frames that wait for a stream's reader before the connection waits too.
const QUEUE: usize = 32;

const REFUSED_STREAM: u32 = 3;
const PROTOCOL_ERROR: u32 = 1;

/// An open connection. Dropping it cuts it.
#[derive(Debug)]
pub(crate) struct Connection {
    opened: mpsc::Receiver<Stream>,
    frames: mpsc::Sender<Frame>,
    reading: JoinHandle<()>,
    writing: JoinHandle<()>,
}

/// A stream that the peer opened.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) headers: Headers,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    /// Fires when the peer takes the stream away.
    pub(crate) reset: CancellationToken,
}

/// The peer's bytes; the end of the channel is the end of its half of the stream.
pub(crate) type Reader = mpsc::Receiver<Bytes>;

/// Our half of a stream.
#[derive(Debug)]
pub(crate) struct Writer {
    id: u32,
    frames: mpsc::Sender<Frame>,
}

impl Writer {
    /// Sends bytes; false when the connection is gone.
    pub(crate) async fn send(&self, data: Bytes) -> bool {
        self.frames.send(Frame::Data { id: self.id, data, fin: false }).await.is_ok()
    }

    /// Ends our half.
    pub(crate) async fn finish(self) {
        // A connection that is gone has ended every stream already.
        let _ = self.frames.send(Frame::Data { id: self.id, data: Bytes::new(), fin: true }).await;
    }
}

impl Connection {
    /// Begins to serve a connection, right after its upgrade.
    pub(crate) fn start(
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, FrameError> {
        let (frames, queue) = mpsc::channel(QUEUE);
        let (open, opened) = mpsc::channel(QUEUE);
        let reading = Reading { input: FramedRead::new(input, Codec::new()?), frames: frames.clone(), open };
        let writing = write(FramedWrite::new(output, Codec::new()?), queue);
        Ok(Connection { opened, frames, reading: tokio::spawn(reading.run()), writing: tokio::spawn(writing) })
    }

    /// The next stream that the peer opens; none once the connection has ended.
    pub(crate) async fn accept(&mut self) -> Option<Stream> {
        self.opened.recv().await
    }

    /// Waits for the end of the connection.
    pub(crate) async fn closed(&mut self) {
        // Streams beyond those that the protocol knows mean nothing.
        while self.opened.recv().await.is_some() {}
    }

    /// Ends the connection when all was said. The peer hangs up first where it does so in time: its library throws away what it
    /// has not read yet when we do.
    pub(crate) async fn finish(mut self) {
        if tokio::time::timeout(crate::LINGER, self.closed()).await.is_err() {
            let _ = self.frames.send(Frame::GoAway { last: 0, status: 0 }).await;
            let _ = tokio::time::timeout(crate::LINGER, &mut self.writing).await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reading.abort();
        self.writing.abort();
    }
}

async fn write(mut output: FramedWrite<impl AsyncWrite + Unpin, Codec>, mut queue: mpsc::Receiver<Frame>) {
    while let Some(frame) = queue.recv().await {
        let mut last = matches!(frame, Frame::GoAway { .. });
        let mut sent = output.feed(frame).await;
        while let (Ok(()), Ok(frame)) = (&sent, queue.try_recv()) {
            last |= matches!(frame, Frame::GoAway { .. });
            sent = output.feed(frame).await;
        }
        if sent.is_ok() {
            sent = output.flush().await;
        }
        if let Err(error) = sent {
            tracing::debug!(%error, "a streaming connection broke off");
            return;
        }
        if last {
            break;
        }
    }
    let _ = output.get_mut().shutdown().await;
}

struct Reading<R> {
    input: FramedRead<R, Codec>,
    frames: mpsc::Sender<Frame>,
    open: mpsc::Sender<Stream>,
}

impl<R: AsyncRead + Unpin> Reading<R> {
    async fn run(mut self) {
        let mut streams: HashMap<u32, (mpsc::Sender<Bytes>, CancellationToken)> = HashMap::new();
        let mut last = 0;
        while let Some(frame) = self.input.next().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    tracing::debug!(%error, "a peer does not speak SPDY/3.1");
                    let _ = self.frames.send(Frame::GoAway { last, status: PROTOCOL_ERROR }).await;
                    break;
                }
            };
            match frame {
                Frame::SynStream { id, headers, fin } => {
                    streams.retain(|_, (bytes, _)| !bytes.is_closed());
                    // Streams of a client have odd and growing numbers.
                    let refusal = match () {
                        () if id <= last || id % 2 == 0 => Some(PROTOCOL_ERROR),
                        () if streams.len() >= MAX_STREAMS => Some(REFUSED_STREAM),
                        () => None,
                    };
                    if let Some(status) = refusal {
                        let _ = self.frames.send(Frame::RstStream { id, status }).await;
                        continue;
                    }
                    last = id;
                    let (bytes, reader) = mpsc::channel(QUEUE);
                    let reset = CancellationToken::new();
                    if !fin {
                        streams.insert(id, (bytes, reset.clone()));
                    }
                    let writer = Writer { id, frames: self.frames.clone() };
                    // Data is lost on the peer's side when it comes before this.
                    let _ = self.frames.send(Frame::SynReply { id, headers: Headers::new(), fin: false }).await;
                    if self.open.send(Stream { id, headers, reader, writer, reset }).await.is_err() {
                        break;
                    }
                }
                Frame::Data { id, data, fin } => {
                    if let Some((bytes, _)) = streams.get(&id).filter(|_| !data.is_empty()) {
                        // A stream whose reader has gone swallows what comes.
                        let _ = bytes.send(data).await;
                    }
                    if fin {
                        streams.remove(&id);
                    }
                }
                Frame::RstStream { id, .. } => {
                    if let Some((_, reset)) = streams.remove(&id) {
                        reset.cancel();
                    }
                }
                Frame::Ping { id } if id % 2 == 1 => {
                    let _ = self.frames.send(Frame::Ping { id }).await;
                }
                Frame::GoAway { .. } | Frame::Ping { .. } | Frame::SynReply { .. } | Frame::Other { .. } => {}
            }
        }
        streams.into_values().for_each(|(_, reset)| reset.cancel());
    }
}

#[cfg(test)]
mod tests;
