//! A relay that holds back what passes by it: a long way to another cluster.

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nix::sys::socket::{getsockopt, sockopt::OriginalDst};
use parking_lot::RwLock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::cidr::Cidr;
use crate::thread::NamespaceThread;

/// Bytes in one piece, and pieces on their way in one direction of a connection: one that brings more waits.
const PIECE: usize = 16 * 1024;
const PIECES: usize = 64;
/// Time for the connection to the destination.
const DIAL_WITHIN: Duration = Duration::from_secs(30);

/// How late the connections to a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) range: Cidr,
    pub(super) port: Option<u16>,
    /// Milliseconds.
    pub(super) delay: u16,
    pub(super) jitter: u16,
}

/// The present delays. Connections look each time, so that one that was begun late gets well.
type Delays = Arc<RwLock<Vec<Delay>>>;

/// A listener in the router. Dropping it ends its connections.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddrV4,
    delays: Delays,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(super) async fn start(thread: &NamespaceThread, address: Ipv4Addr) -> io::Result<Self> {
        let listener = thread.run(move || std::net::TcpListener::bind((address, 0))).await??;
        let bound = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let (listener, thread) = (TcpListener::from_std(listener)?, thread.clone());
        let delays = Delays::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, thread, Arc::clone(&delays)));
        Ok(Relay { address: SocketAddrV4::new(address, bound.port()), delays, _tasks: tasks })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(super) fn set(&self, delays: Vec<Delay>) {
        *self.delays.write() = delays;
    }
}

async fn serve(listener: TcpListener, thread: NamespaceThread, delays: Delays) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let (thread, delays) = (thread.clone(), Arc::clone(&delays));
                connections.spawn(async move {
                    if let Err(error) = relay(client, &thread, &delays).await {
                        tracing::debug!(%error, "a delayed connection ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
            else => return,
        }
    }
}

async fn relay(mut client: TcpStream, thread: &NamespaceThread, delays: &Delays) -> io::Result<()> {
    let target = destination(&client)?;
    let socket = thread.run(TcpSocket::new_v4).await??;
    let dialled = tokio::time::timeout(DIAL_WITHIN, socket.connect(SocketAddr::V4(target))).await;
    let mut server = match dialled.map_err(io::Error::from).flatten() {
        Ok(server) => server,
        Err(error) => return Err(reset(&[&client], error)),
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let late = || late(delays, target);
    let ended = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        tokio::try_join!(one_way(from_client, to_server, late), one_way(from_server, to_client, late))
    };
    ended.map(drop).map_err(|error| reset(&[&client, &server], error))
}

/// What failed at one end is reset at the other, as it would be without a relay.
fn reset(streams: &[&TcpStream], error: io::Error) -> io::Error {
    for stream in streams {
        // One that has gone already needs no reset.
        let _ = stream.set_zero_linger();
    }
    error
}

/// Where the client wanted to go.
fn destination(client: &TcpStream) -> io::Result<SocketAddrV4> {
    let address = getsockopt(client, OriginalDst)?;
    Ok(SocketAddrV4::new(Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr)), u16::from_be(address.sin_port)))
}

fn late(delays: &Delays, target: SocketAddrV4) -> Duration {
    let fits =
        |delay: &&Delay| delay.range.contains(*target.ip()) && delay.port.is_none_or(|port| port == target.port());
    let delay = delays.read().iter().find(fits).copied();
    delay.map_or(Duration::ZERO, |delay| drawn(delay, RandomState::new().hash_one(target)))
}

/// From the delay less the jitter to the delay and the jitter, by a random number.
fn drawn(delay: Delay, random: u64) -> Duration {
    let (delay, jitter) = (u64::from(delay.delay), u64::from(delay.jitter));
    let spread = random.checked_rem(jitter.saturating_mul(2).saturating_add(1)).unwrap_or(0);
    Duration::from_millis(delay.saturating_sub(jitter).saturating_add(spread))
}

/// Hands on what is read when it is due, and the end too. Nothing overtakes what came before it.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    late: impl Fn() -> Duration,
) -> io::Result<()> {
    let (queue, mut due) = mpsc::channel::<(Instant, Bytes)>(PIECES);
    let read = async {
        let mut last = Instant::now();
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            let ended = from.read_buf(&mut piece).await? == 0;
            last = last.max(Instant::now() + late());
            if queue.send((last, piece.freeze())).await.is_err() || ended {
                drop(queue);
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((when, piece)) = due.recv().await {
            sleep_until(when).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}
