//! Both sides of a connection that has left HTTP, or never spoke it.

use std::{io, rc::Rc};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

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
    let (received, sent) = tokio::io::copy_bidirectional_with_sizes(client, server, COPY_BYTES, COPY_BYTES).await?;
    exchange.received.set(exchange.received.get() + received);
    exchange.sent.set(exchange.sent.get() + sent);
    Ok(())
}
