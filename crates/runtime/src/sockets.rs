//! Socket options that std and tokio don't have.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    os::fd::AsFd,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// A non-blocking TCP listener that shares its address with others (`SO_REUSEPORT`): the kernel spreads connections
/// over them. An IPv6 address takes IPv4 too (`::` listens for both).
pub fn reuseport_listener(addr: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Where a connection was going before a redirect in this network namespace brought it here (`SO_ORIGINAL_DST`).
/// Without a redirect it is an error, `NotFound` by its kind, or the connection's own local address, according to
/// whether the kernel tracks connections.
pub fn original_dst(stream: &impl AsFd) -> io::Result<SocketAddr> {
    let socket = SockRef::from(stream);
    let local = socket.local_addr()?.as_socket().map(|a| a.ip().to_canonical());
    let found = match local {
        Some(IpAddr::V4(_)) => socket.original_dst_v4()?,
        Some(IpAddr::V6(_)) => socket.original_dst_v6()?,
        None => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an IP socket")),
    };
    let addr = found.as_socket().ok_or(io::ErrorKind::NotFound)?;
    let unspecified = addr.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) || addr.port() == 0;
    if unspecified { Err(io::ErrorKind::NotFound.into()) } else { Ok(addr) }
}

/// Marks a socket's packets (`SO_MARK`), so that a redirect can leave them alone. Needs NET_ADMIN.
pub fn set_mark(socket: &impl AsFd, mark: u32) -> io::Result<()> {
    SockRef::from(socket).set_mark(mark)
}

/// Has TCP find out a peer that has vanished without a word: probes after so long a silence, so far apart, and so many that stay
/// without an answer.
pub fn probe(socket: &impl AsFd, after: Duration, every: Duration, probes: u32) {
    let probes = TcpKeepalive::new().with_time(after).with_interval(every).with_retries(probes);
    // A socket that refuses the option still works.
    let _ = SockRef::from(socket).set_tcp_keepalive(&probes);
}

/// Makes the close that follows a reset, so that the peer can't take it for a regular end.
pub fn reset_on_close(socket: &impl AsFd) {
    // Failing leaves a regular close: the peer is cut off all the same.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Did accepting fail because the process or the system has no file descriptors or memory left for a connection?
pub fn is_shortage(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    error.kind() == io::ErrorKind::OutOfMemory || matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS))
}

/// Did listening on an IPv6 address fail because the kernel has no IPv6, or this namespace has none?
pub fn is_unsupported(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(test)]
mod tests;
