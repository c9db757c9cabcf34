//! One direction of a relay.
//!
//! Little is copied, by way of a buffer that all relays of the worker share: that is cheapest for small messages, and holds no memory
//! between them. A direction that fills the buffer is spliced for as long as it moves much.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use isthmus_runtime::sockets;
use prometheus::IntCounter;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
};

use super::{Ends, Means, pipes};
use crate::{
    limits::{COPY_BYTES, PROBE_AFTER, PROBE_EVERY, PROBES, TURN_BYTES},
    live::Live,
};

/// A direction that moves less than this at a time is copied again.
const WORTH_SPLICING: usize = 16 << 10;

pub(super) struct Pump<'a> {
    means: &'a Means,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    live: &'a Live,
    counter: &'a IntCounter,
    splices: bool,
    /// Does TCP find out by itself if `from` has vanished?
    probes: Cell<bool>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        means: &'a Means,
        from: ReadHalf<'a>,
        to: WriteHalf<'a>,
        live: &'a Live,
        counter: &'a IntCounter,
    ) -> Self {
        Self { means, from, to, live, counter, splices: false, probes: Cell::new(true) }
    }

    /// For a socket that has yet to be told to look after a silent peer. That is worth its system calls once the connection lasts.
    pub(super) fn probing(self) -> Self {
        self.probes.set(false);
        self
    }

    /// Waits for bytes, or for the end. The task is woken when the connection begins to last, and polls this again.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let from: &TcpStream = self.from.as_ref();
        if self.live.lasts() && !self.probes.replace(true) {
            sockets::probe(from, PROBE_AFTER, PROBE_EVERY, PROBES);
        }
        from.poll_read_ready(cx)
    }

    /// Moves bytes until the one side ends, tells the other, and waits until both have ended.
    pub(super) async fn run(mut self, ends: &Ends) -> io::Result<()> {
        let mut turn = 0;
        loop {
            let moved = if self.splices { self.splice().await? } else { self.copy().await? };
            if moved == 0 {
                break;
            }
            self.counter.inc_by(u64::try_from(moved).unwrap_or_default());
            self.live.moved();
            self.splices = moved >= if self.splices { WORTH_SPLICING } else { COPY_BYTES };
            turn += moved;
            if turn >= TURN_BYTES {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        // When the other direction has ended too, closing says the same.
        if !ends.is_last() {
            self.to.shutdown().await?;
        }
        tokio::select! {
            () = ends.one() => Ok(()),
            reset = reset(self.from.as_ref()) => reset,
        }
    }

    /// Copies once; how much, 0 at the end.
    async fn copy(&mut self) -> io::Result<usize> {
        let copied = poll_fn(|cx| {
            ready!(self.poll_readable(cx))?;
            let Self { means, from, to, .. } = &mut *self;
            let mut scratch = means.scratch.borrow_mut();
            let mut read = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut read))?;
            let mut rest = read.filled();
            while !rest.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, rest) {
                    Poll::Ready(written) => rest = rest.get(written?..).unwrap_or_default(),
                    Poll::Pending => break,
                }
            }
            Poll::Ready(Ok::<_, io::Error>((read.filled().len(), rest.to_vec())))
        });
        let (read, rest) = copied.await?;
        // The other side is full: nothing more is read until it has taken what there is.
        if !rest.is_empty() {
            self.to.write_all(&rest).await?;
        }
        Ok(read)
    }

    /// Moves bytes once by way of a pipe, without seeing them; how many, 0 at the end. A pipe is lent only for what is in it.
    async fn splice(&mut self) -> io::Result<usize> {
        let (from, to): (&TcpStream, &TcpStream) = (self.from.as_ref(), self.to.as_ref());
        let (mut pipe, moved) = loop {
            poll_fn(|cx| self.poll_readable(cx)).await?;
            let Some(mut pipe) = self.means.pipes.lend() else { return self.copy().await };
            // The pipe is empty, so that only the socket can be what there is to wait for.
            match from.try_io(Interest::READABLE, || pipe.fill(from)) {
                Ok(moved) => break (pipe, moved),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if pipes::is_unsupported(&error) => self.means.pipes.refuse(),
                Err(error) => return Err(error),
            }
        };
        while pipe.held() > 0 {
            if to.async_io(Interest::WRITABLE, || pipe.empty(to)).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(moved)
    }
}

/// Waits for a reset of a side that has ended: nobody reads there any more, and perhaps nobody writes.
async fn reset(side: &TcpStream) -> io::Result<()> {
    while !side.ready(Interest::ERROR).await?.is_error() {}
    Err(io::ErrorKind::ConnectionReset.into())
}
