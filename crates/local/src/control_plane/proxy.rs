//! How a real kube-apiserver, which runs outside of the router's namespace, and those inside reach each other: an HTTP CONNECT proxy on
//! a Unix socket (its egress selector), and a relay.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use isthmus_local_node::Router;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A CONNECT request is a line and few headers.
const MAX_HEAD: u64 = 8 * 1024;
const DIAL_WITHIN: Duration = Duration::from_secs(30);

/// Dials in the router's namespace for whoever asks on the socket. The socket's directory decides who may.
pub(super) async fn egress(listener: UnixListener, router: Arc<Router>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    if let Err(error) = connect(stream, &router).await {
                        tracing::debug!(%error, "a connection into the cluster broke off");
                    }
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn connect(stream: UnixStream, router: &Router) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let target = read_target(&mut stream).await?;
    let dialled = match target {
        Some(target) => tokio::time::timeout(DIAL_WITHIN, router.dial(target)).await,
        None => return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await,
    };
    match dialled {
        Ok(Ok(mut there)) => {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            copy_bidirectional(&mut stream, &mut there).await.map(drop)
        }
        _ => stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await,
    }
}

/// The address of a CONNECT request, read to its end. None: it is something else, or names a host that only a DNS could know.
async fn read_target(stream: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut head = stream.take(MAX_HEAD);
    let mut first = String::new();
    head.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        match head.read_line(&mut line).await? {
            0 => return Ok(None),
            _ if line.trim_end().is_empty() => return Ok(target(&first)),
            _ => {}
        }
    }
}

fn target(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    (words.next()? == "CONNECT").then_some(())?;
    words.next()?.parse().ok()
}

/// Passes connections to the router's address on to a port of this machine.
pub(super) async fn relay(listener: TcpListener, port: u16) {
    loop {
        match listener.accept().await {
            Ok((mut inside, _)) => {
                tokio::spawn(async move {
                    let Ok(mut outside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
                    let _ = (inside.set_nodelay(true), outside.set_nodelay(true));
                    // Either side may go at any time.
                    let _ = copy_bidirectional(&mut inside, &mut outside).await;
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// Mostly too many open files: it passes when connections end.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn targets_are_addresses() {
        let head = |text: &'static str| async move { read_target(&mut BufReader::new(text.as_bytes())).await.unwrap() };
        let good = "CONNECT 10.42.0.1:10250 HTTP/1.1\r\nHost: 10.42.0.1:10250\r\n\r\nrest";
        assert_eq!(head(good).await, Some("10.42.0.1:10250".parse().unwrap()));
        for bad in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT web.shop.svc:443 HTTP/1.1\r\n\r\n",
            "CONNECT 10.0.0.1:80",
            "",
            "\r\n\r\n",
        ] {
            assert_eq!(head(bad).await, None, "{bad:?}");
        }
    }
}
