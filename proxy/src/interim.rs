//! Interim answers (1xx) to HTTP/1.1 clients. hyper's server sends none but its own `100 Continue`, so they are written to the
//! connection past it, at the one point where that is safe: between two messages, when hyper has nothing left to write.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, Request, StatusCode, header};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::{expect::Expectation, hop, limits::HEAD_BYTES};

/// What the server of a connection and the request on it share. hyper's callback must be `Send`, so this is; a worker has one
/// thread, and nobody ever waits for the lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interim(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Is anything queued?
    queued: AtomicBool,
    /// Has hyper written all that it had?
    flushed: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: BytesMut,
    /// The connection's task, which hears of a new answer through the request that it awaits.
    waker: Option<Waker>,
}

impl Interim {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an answer. Interim answers are hints: what is beyond the limit is left out.
    fn push(&self, status: StatusCode, headers: &HeaderMap) {
        let head = encode(status, headers);
        let mut queue = self.queue();
        if queue.bytes.len() + head.len() <= HEAD_BYTES {
            queue.bytes.extend_from_slice(&head);
            self.0.queued.store(true, Relaxed);
        }
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }

    /// Has the request's interim answers sent to the client, but for the `100 Continue` that `expectation` waits for: hyper's
    /// server says that one when the body is first asked for.
    pub(crate) fn listen<B>(&self, request: &mut Request<B>, expectation: Option<Expectation>) {
        let interim = self.clone();
        hyper::ext::on_informational(request, move |answer| match &expectation {
            Some(expectation) if answer.status() == StatusCode::CONTINUE => expectation.wanted(),
            _ => interim.push(answer.status(), answer.headers()),
        });
    }

    /// Awaits the final answer, and wakes the connection for the interim ones.
    pub(crate) async fn while_awaiting<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        let answer = std::future::poll_fn(|cx| {
            match &mut self.queue().waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            answer.as_mut().poll(cx)
        })
        .await;
        self.settle();
        answer
    }

    /// The final answer follows. When the client still lacks the end of an answer before (pipelining), what is queued comes too late.
    fn settle(&self) {
        if self.0.queued.load(Relaxed) && !self.0.flushed.load(Relaxed) {
            self.queue().bytes.clear();
            self.0.queued.store(false, Relaxed);
        }
    }
}

fn encode(status: StatusCode, headers: &HeaderMap) -> BytesMut {
    let mut headers = headers.clone();
    hop::strip(&mut headers, None);
    headers.remove(header::CONTENT_LENGTH);
    let mut head = BytesMut::new();
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(status.as_str().as_bytes());
    head.extend_from_slice(b" ");
    head.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n");
    for (name, value) in &headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// A client's connection, with interim answers between hyper's own writes.
pub(crate) struct InterimIo<S> {
    io: S,
    interim: Interim,
}

impl<S: Write + Unpin> InterimIo<S> {
    pub(crate) fn new(io: S, interim: Interim) -> Self {
        Self { io, interim }
    }

    /// Writes what is queued, if hyper is between two messages.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &self.interim.0;
        if !(shared.queued.load(Relaxed) && shared.flushed.load(Relaxed)) {
            return Poll::Ready(Ok(()));
        }
        let mut queue = self.interim.queue();
        while !queue.bytes.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &queue.bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => queue.bytes.advance(written),
            }
        }
        queue.bytes = BytesMut::new();
        shared.queued.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: Read + Unpin> Read for InterimIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: Write + Unpin> Write for InterimIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.interim.0.flushed.store(false, Relaxed);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.interim.0.flushed.store(false, Relaxed);
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// hyper flushes once it has written everything.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.interim.0.flushed.store(true, Relaxed);
        ready!(self.poll_interim(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
