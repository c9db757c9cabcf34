//! Where a redirected connection was going to.

use std::{fmt, io, net::SocketAddr};

use tokio::net::TcpStream;

/// Finds out where a connection was going to before it was redirected to this process.
pub trait OriginalDestination: fmt::Debug + Send + Sync {
    /// The original destination; `None` for a connection that wasn't redirected.
    fn of(&self, stream: &TcpStream) -> io::Result<Option<SocketAddr>>;
}

/// Asks the kernel's connection tracking (`SO_ORIGINAL_DST`).
#[derive(Debug, Clone, Copy, Default)]
pub struct FromKernel;

impl OriginalDestination for FromKernel {
    fn of(&self, stream: &TcpStream) -> io::Result<Option<SocketAddr>> {
        match isthmus_runtime::sockets::original_dst(stream) {
            Ok(original) => Ok(Some(original).filter(|o| stream.local_addr().is_ok_and(|local| local != *o))),
            // Not tracked, or no tracking in this kernel at all: nothing was redirected.
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ENOPROTOOPT) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

const ENOPROTOOPT: i32 = 92;
