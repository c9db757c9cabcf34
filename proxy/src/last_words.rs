//! What a server has said before it closed is heard before the close. A server may answer early, `413` for instance, and close while
//! its request is still being sent; writing then fails at once, but its answer is there to be read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::limits::READ_UP_TIME;

/// A connection to a server that is read on when it can't be written to any more.
#[derive(Debug)]
pub(crate) struct LastWords<S> {
    io: S,
    failed: Option<Failed>,
}

/// Writing has failed.
#[derive(Debug)]
struct Failed {
    kind: io::ErrorKind,
    /// Until then the writer waits: the reader, which the same event wakes, is the one to end the connection.
    heard: Pin<Box<Sleep>>,
}

impl<S> LastWords<S> {
    pub(crate) fn of(io: S) -> Self {
        Self { io, failed: None }
    }

    /// Writes, unless that has failed: then its error comes when there was time to read.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>>
    where
        S: Unpin,
    {
        if self.failed.is_none() {
            match ready!(write(Pin::new(&mut self.io), cx)) {
                Err(error) if is_gone(&error) => {
                    self.failed = Some(Failed { kind: error.kind(), heard: Box::pin(sleep(READ_UP_TIME)) });
                }
                other => return Poll::Ready(other),
            }
        }
        let Some(failed) = &mut self.failed else { return Poll::Pending };
        failed.heard.as_mut().poll(cx).map(|()| Err(failed.kind.into()))
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

impl<S: AsyncRead + Unpin> AsyncRead for LastWords<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        match &this.failed {
            // The kernel tells of a reset once. The writer has heard it, and to the reader it mustn't look like a regular end.
            Some(failed) if buf.filled().len() == before => Poll::Ready(Err(failed.kind.into())),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LastWords<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |io, cx| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |io, cx| io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write(cx, |io, cx| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
