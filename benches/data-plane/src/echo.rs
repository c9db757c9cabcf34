//! The application at the end: answers so that the load generator can check every byte. It takes no part in the figures.

pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod tcp;

use std::{future::Future, net::Ipv4Addr};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::{
    case::Protocol,
    namespace::{Namespace, Thread},
};

/// Bytes of an answer's body: the ID of the request, and filler.
pub(crate) const BODY: usize = 128;
/// Bytes of an ID: hexadecimal digits.
pub(crate) const ID: usize = 16;
/// What the paths of requests begin with; the ID follows.
pub(crate) const PATH: &str = "/api/items/";
/// Where a body is sent to be sent back.
pub(crate) const BODIES: &str = "/api/bodies";
/// Where a connection is upgraded to one that is sent back what it sends.
pub(crate) const UPGRADE: &str = "/api/upgrade";
/// The byte that a body is filled with.
pub(crate) const FILLER: u8 = b'.';
/// The first byte of a TCP connection or of a transfer on it: every byte is sent back.
pub(crate) const ECHO: u8 = 1;
/// The next 8 bytes say how many bytes to send.
pub(crate) const DOWNLOAD: u8 = 2;
/// The next 8 bytes say how many bytes follow; when they have been checked, one byte is sent back.
pub(crate) const UPLOAD: u8 = 3;
/// The byte is sent back, and the connection ends.
pub(crate) const ONCE: u8 = 4;

/// The body that answers a request with this ID.
pub(crate) fn body(id: &[u8]) -> [u8; BODY] {
    let mut body = [FILLER; BODY];
    for (to, from) in body.iter_mut().zip(id.iter().take(ID)) {
        *to = *from;
    }
    body
}

/// Is this the body that answers a request with this ID?
pub(crate) fn is_body(candidate: &[u8], id: &[u8]) -> bool {
    candidate == body(id)
}

/// A piece of a transfer: the same at every offset that is a multiple of its length.
pub(crate) fn pattern() -> Vec<u8> {
    (0..64 << 10).map(|i: u32| i.to_le_bytes().iter().fold(i as u8, |a, b| a.wrapping_mul(31) ^ b)).collect()
}

/// The application in a namespace. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Echo {
    _stop: oneshot::Sender<()>,
    thread: Thread<()>,
}

impl Echo {
    /// Serves all protocols, each at the ports of both backends.
    pub(crate) fn start(namespace: &Namespace) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, ready) = std::sync::mpsc::sync_channel(1);
        let thread = namespace.spawn("echo", move || async move {
            for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Tcp] {
                for port in [protocol.app_port(), protocol.second_app_port()] {
                    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
                    match protocol {
                        Protocol::Http1 => spawn(listener, http1::serve),
                        Protocol::Http2 | Protocol::Grpc => spawn(listener, http2::serve),
                        Protocol::Tcp => spawn(listener, tcp::serve),
                    }
                }
            }
            let _ = bound.send(());
            let _ = stopped.await;
            Ok(())
        })?;
        if ready.recv().is_err() {
            thread.join()?;
            anyhow::bail!("the echo server ended before it served");
        }
        Ok(Self { _stop: stop, thread })
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.thread.has_ended(), "the echo server has ended");
        Ok(())
    }
}

/// Serves every connection of a listener, on this thread.
pub(crate) fn spawn<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F + 'static)
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A fault of one connection, a client's bad request among them, shows at the client as an answer that is missing.
            let served = stream.set_nodelay(true).map(|()| serve(stream));
            tokio::task::spawn_local(async move { served?.await });
        }
    });
}

#[cfg(test)]
mod tests;
