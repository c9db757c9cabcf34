//! Accepting TLS connections, with who is at the other end.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use isthmus_core::id::SpiffeId;
use isthmus_identity::peer_id;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// Most handshakes at a time.
const MAX_HANDSHAKES: usize = 256;
/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Pause after an accept that failed for want of file descriptors or the like.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who may be connected at a time; more wait in the kernel's queue, or are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// All connections.
    pub all: usize,
    /// Those without a client certificate: whoever they are, they can't take the place of those who have one.
    pub strangers: usize,
    /// Those of one identity: it can't take the place of the others.
    pub each: usize,
    /// How long one of those may stay: it asks for something, and goes.
    pub stay: Duration,
}

/// Who is connected.
#[derive(Debug, Clone)]
pub struct Peer {
    /// `None`: no client certificate was shown.
    pub identity: Option<SpiffeId>,
    /// Where from.
    pub addr: SocketAddr,
}

/// A TLS connection that knows its peer.
#[derive(Debug)]
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    /// The end of a stranger's stay.
    over: Option<Pin<Box<Sleep>>>,
    _slots: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// The places of each identity that is connected.
struct Places {
    room: Room,
    by_identity: Mutex<HashMap<SpiffeId, Arc<Semaphore>>>,
}

impl Places {
    fn of(&self, identity: &SpiffeId) -> Arc<Semaphore> {
        let mut places = self.by_identity.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= self.room.all {
            // Whoever has a connection holds its places too.
            places.retain(|_, places| Arc::strong_count(places) > 1);
        }
        Arc::clone(places.entry(identity.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.room.each))))
    }
}

/// Accepts connections until `stop`.
pub fn listen(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    room: Room,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (send, receive) = mpsc::channel(16);
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(config);
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let slots = Arc::new(Semaphore::new(room.all));
        let strangers = Arc::new(Semaphore::new(room.strangers));
        let known = Arc::new(Places { room, by_identity: Mutex::default() });
        loop {
            let accept = async {
                let slot = slots.clone().acquire_owned().await.ok()?;
                let turn = handshakes.clone().acquire_owned().await.ok()?;
                Some((slot, turn, listener.accept().await))
            };
            let accepted = tokio::select! {
                accepted = accept => accepted,
                () = stop.cancelled() => return,
            };
            let Some((slot, turn, accepted)) = accepted else { return };
            let (stream, addr) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "couldn't accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // A message is small and waits for an answer: it must not be held back for more. Without the option the
            // connection is only slower.
            let _ = stream.set_nodelay(true);
            let (acceptor, send) = (acceptor.clone(), send.clone());
            let (strangers, known) = (Arc::clone(&strangers), Arc::clone(&known));
            tokio::spawn(async move {
                match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        drop(turn);
                        let identity = stream.get_ref().1.peer_certificates().and_then(peer_id);
                        let (places, over) = match &identity {
                            Some(identity) => (known.of(identity), None),
                            None => (strangers, Some(Box::pin(tokio::time::sleep(room.stay)))),
                        };
                        let Ok(place) = places.try_acquire_owned() else {
                            let who = identity.as_ref().map_or("who shows no certificate", SpiffeId::as_str);
                            tracing::info!(%addr, who, "too many connections of one");
                            return;
                        };
                        let connection =
                            Connection { stream, peer: Peer { identity, addr }, over, _slots: (slot, place) };
                        let _ = send.send(Ok(connection)).await;
                    }
                    Ok(Err(error)) => tracing::info!(%addr, %error, "TLS handshake refused"),
                    Err(_) => tracing::info!(%addr, "TLS handshake took too long"),
                }
            });
        }
    });
    ReceiverStream::new(receive)
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.over.as_mut().is_some_and(|over| over.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
