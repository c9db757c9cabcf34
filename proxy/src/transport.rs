//! The byte streams of the data plane, as closed enums: no boxed trait objects on the hot path.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use isthmus_runtime::sockets;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

/// Bytes up to which copying the pieces of a write together costs less than the kernel's work with a list of them.
const GATHERED: usize = 1024;

/// What carries a connection, with the bytes that were read from it to find out its protocol.
#[derive(Debug)]
pub(crate) struct Transport {
    seen: BytesMut,
    io: Carrier,
}

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    /// The pod calling its own service: from its outbound to its inbound side without the kernel.
    Pipe(DuplexStream),
}

impl Transport {
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        // Small messages must not wait for acknowledgements; a socket that refuses the option still works.
        let _ = stream.set_nodelay(true);
        Self { seen: BytesMut::new(), io: Carrier::Tcp(stream) }
    }

    pub(crate) fn pipe(stream: DuplexStream) -> Self {
        Self { seen: BytesMut::new(), io: Carrier::Pipe(stream) }
    }

    /// The bytes read ahead, which the next reader gets first.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Reads more ahead; the number of bytes, 0 at the end of the stream.
    pub(crate) async fn look_further(&mut self, at_most: usize) -> io::Result<usize> {
        self.seen.reserve(at_most.min(4096));
        match &mut self.io {
            Carrier::Tcp(io) => io.read_buf(&mut self.seen).await,
            Carrier::Pipe(io) => io.read_buf(&mut self.seen).await,
        }
    }

    /// Makes the close that follows a reset, so that the peer can't take it for a regular end.
    pub(crate) fn reset_on_close(&self) {
        if let Carrier::Tcp(io) = &self.io {
            sockets::reset_on_close(io);
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.seen.is_empty() {
            let n = self.seen.len().min(buf.remaining());
            if let Some(bytes) = self.seen.get(..n) {
                buf.put_slice(bytes);
            }
            self.seen.advance(n);
            if self.seen.is_empty() {
                self.seen = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Carrier::Tcp(io) => Pin::new(io).poll_read(cx, buf),
            Carrier::Pipe(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Carrier::Tcp(io) => Pin::new(io).poll_write(cx, buf),
            Carrier::Pipe(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = [0; GATHERED];
        let whole = match bufs {
            [one] => Some(&**one),
            several => gather(several, &mut gathered),
        };
        match (&mut self.io, whole) {
            (Carrier::Tcp(io), Some(whole)) => Pin::new(io).poll_write(cx, whole),
            (Carrier::Tcp(io), None) => Pin::new(io).poll_write_vectored(cx, bufs),
            (Carrier::Pipe(io), _) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.io, Carrier::Tcp(_))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Carrier::Tcp(io) => Pin::new(io).poll_flush(cx),
            Carrier::Pipe(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Carrier::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Carrier::Pipe(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

/// The pieces as one, if they have room.
fn gather<'a>(pieces: &[io::IoSlice<'_>], room: &'a mut [u8; GATHERED]) -> Option<&'a [u8]> {
    let mut filled = 0;
    for piece in pieces {
        let end = filled + piece.len();
        room.get_mut(filled..end)?.copy_from_slice(piece);
        filled = end;
    }
    room.get(..filled)
}

/// A connection, with or without mesh TLS round it.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Transport),
    Tls(Box<TlsStream<Transport>>),
}

impl Stream {
    pub(crate) fn reset_on_close(&self) {
        match self {
            Self::Plain(io) => io.reset_on_close(),
            Self::Tls(io) => io.get_ref().0.reset_on_close(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_shutdown(cx),
        }
    }
}
