//! Opaque TCP: bytes from one side to the other.

use std::rc::Rc;

use crate::{exchange::Exchange, live::Live, transport::Stream, tunnel};

/// Joins two connections until both have ended. When one is reset, or the connection is to be cut, the end is a reset, which
/// no peer can take for a regular one.
pub(crate) async fn relay(mut client: Stream, mut server: Stream, exchange: &Exchange, live: &Rc<Live>) {
    let ended = tokio::select! {
        () = live.cut() => false,
        copied = tunnel::copy(&mut client, &mut server, exchange) => copied.is_ok(),
    };
    if !ended {
        client.reset_on_close();
        server.reset_on_close();
    }
}
