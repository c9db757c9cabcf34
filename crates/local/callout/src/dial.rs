//! How to reach somebody: two seams that the caller fills.

use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;
use tokio::net::TcpStream;

/// Makes TCP connections. The embedded cluster's implementation makes them inside its router's network namespace.
pub trait Dial: Send + Sync {
    /// Connects to `addr`. The caller of this bounds its time.
    fn dial(&self, addr: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// Dials from the network namespace of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostDial;

impl Dial for HostDial {
    fn dial(&self, addr: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(addr))
    }
}

/// Knows where Services are.
pub trait Services: Send + Sync {
    /// An address that serves this port of the Service (its ClusterIP, or one of its ready endpoints), or none when there
    /// is no such Service or port or nobody serves it.
    fn resolve(&self, namespace: &str, name: &str, port: u16) -> Option<SocketAddr>;
}
