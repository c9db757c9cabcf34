//! Floods of HTTP/2 frames: what costs the receiver more than the sender is counted, and the connection ends when there is too much
//! of it. h2 bounds what it would have to remember; frames that it answers and forgets cost time all the same.

mod frames;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use isthmus_core::rate::Bucket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::frames::{Frame, Frames, Kind};
use crate::limits::{CONTROL_FRAMES, CONTROL_FRAMES_A_SECOND, RESETS, RESETS_A_SECOND};

/// Which frames a peer has sent too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flood {
    /// Frames that carry neither requests nor data.
    #[error("a flood of HTTP/2 control frames")]
    Control,
    /// Streams that are opened and reset.
    #[error("a flood of HTTP/2 streams that are opened and reset")]
    Resets,
}

/// What a peer's frames have cost so far. Requests and data, in either direction, pay for the control frames that go with them.
#[derive(Debug)]
struct Account {
    control: Bucket,
    resets: Bucket,
}

impl Account {
    fn new() -> Self {
        Self {
            control: Bucket::new(CONTROL_FRAMES, CONTROL_FRAMES_A_SECOND, Duration::ZERO),
            resets: Bucket::new(RESETS, RESETS_A_SECOND, Duration::ZERO),
        }
    }

    fn received(&mut self, frame: Frame, now: impl FnOnce() -> Duration) -> Result<(), Flood> {
        match frame.kind {
            Kind::Reset => self.resets.spend(2, now).then_some(()).ok_or(Flood::Resets),
            Kind::Control => self.control.spend(1, now).then_some(()).ok_or(Flood::Control),
            Kind::Data | Kind::Headers => {
                self.earn(frame);
                Ok(())
            }
        }
    }

    fn earn(&mut self, frame: Frame) {
        match frame.kind {
            Kind::Headers => {
                self.control.earn(4);
                self.resets.earn(1);
            }
            // A receiver may give back window for every few hundred bytes, on the stream and on the connection.
            Kind::Data => self.control.earn(4 + frame.length / 256),
            Kind::Reset | Kind::Control => {}
        }
    }
}

/// An HTTP/2 connection whose frames are counted as they pass.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    io: S,
    begun: Instant,
    account: Account,
    reading: Frames,
    writing: Frames,
}

impl<S> Guarded<S> {
    /// A connection that a client has opened.
    pub(crate) fn server(io: S) -> Self {
        Self::new(io, Frames::after_preface(), Frames::default())
    }

    /// A connection to a server.
    pub(crate) fn client(io: S) -> Self {
        Self::new(io, Frames::default(), Frames::after_preface())
    }

    fn new(io: S, reading: Frames, writing: Frames) -> Self {
        Self { io, begun: Instant::now(), account: Account::new(), reading, writing }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        let (account, begun) = (&mut this.account, this.begun);
        this.reading.pass(read, |frame| account.received(frame, || begun.elapsed())).map_err(io::Error::other)?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, buf))?;
        let account = &mut this.account;
        this.writing.sent(buf.get(..written).unwrap_or_default(), |frame| account.earn(frame));
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, bufs))?;
        let account = &mut this.account;
        let mut left = written;
        for buf in bufs {
            let part = left.min(buf.len());
            this.writing.sent(buf.get(..part).unwrap_or_default(), |frame| account.earn(frame));
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
