//! Both sides of a connection that has left HTTP, or never spoke it.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{exchange::Exchange, limits::COPY_BYTES, live::Live, pool};

/// Joins both sides once each has left HTTP.
pub(crate) async fn join(
    client: OnUpgrade,
    server: OnUpgrade,
    exchange: Rc<Exchange>,
    lease: pool::Lease,
    live: Rc<Live>,
) {
    let open = lease.leave();
    let (Ok(client), Ok(server)) = (client.await, server.await) else { return };
    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
    tokio::select! {
        () = live.cut() => {}
        _ = open.carry(copy(&mut client, &mut server, &exchange)) => {}
    }
    drop(lease);
}

/// Copies both ways until both sides have ended; each side's end is passed on alone (half-close). An error is one side's
/// reset, or an end without TLS's own goodbye: the other side mustn't take it for a regular end.
pub(crate) async fn copy<A, B>(client: &mut A, server: &mut B, exchange: &Exchange) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = Counted { io: client, exchange };
    tokio::io::copy_bidirectional_with_sizes(&mut client, server, COPY_BYTES, COPY_BYTES).await.map(drop)
}

/// The client's side, whose bytes are counted as they pass.
struct Counted<'a, T> {
    io: &'a mut T,
    exchange: &'a Exchange,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<'_, T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut *self.io).poll_read(cx, buf))?;
        self.exchange.moved(buf.filled().len().saturating_sub(before) as u64, 0);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut *self.io).poll_write(cx, buf))?;
        self.exchange.moved(0, written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}
