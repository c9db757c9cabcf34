//! Small clients.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use isthmus_core::id::SpiffeId;
use isthmus_identity::{MeshTls, Refused};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::soon;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Http1 = http1::SendRequest<Full<Bytes>>;
pub type Http2<B = Full<Bytes>> = http2::SendRequest<B>;

/// A kept HTTP/1.1 connection.
pub async fn http1(addr: SocketAddr) -> Result<Http1, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(addr).await?)).await?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// HTTP/2 with prior knowledge.
pub async fn http2<B>(addr: SocketAddr) -> Result<Http2<B>, Failure>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Failure>,
{
    let stream = TokioIo::new(TcpStream::connect(addr).await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A request to `web` with no body.
pub fn request(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", "web").body(Full::default()).unwrap()
}

/// One GET on a connection of its own.
pub async fn get(addr: SocketAddr, path: &str) -> Result<Response<Incoming>, Failure> {
    send(addr, request(path)).await
}

pub async fn send(addr: SocketAddr, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
    Ok(soon("an answer", http1(addr).await?.send_request(request)).await?)
}

pub async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

/// Sends `count` requests on one connection; the bodies.
pub async fn many(addr: SocketAddr, path: &str, count: usize) -> Vec<String> {
    let mut sender = http1(addr).await.unwrap();
    let mut bodies = Vec::new();
    for _ in 0..count {
        sender.ready().await.unwrap();
        let response = soon("an answer", sender.send_request(request(path))).await.unwrap();
        bodies.push(format!("{} {}", response.status().as_u16(), text(response).await));
    }
    bodies
}

/// How many of the bodies are this one.
pub fn count(bodies: &[String], body: &str) -> usize {
    bodies.iter().filter(|b| *b == body).count()
}

/// A TCP connection, line by line.
pub struct Talk<S = TcpStream> {
    io: BufReader<S>,
    reset: bool,
}

impl Talk {
    pub async fn open(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap())
    }

    /// The answer on a connection of its own; empty, or an error, where it is refused.
    pub async fn try_ask(addr: SocketAddr, line: &str) -> io::Result<String> {
        let mut io = BufReader::new(TcpStream::connect(addr).await?);
        io.write_all(format!("{line}\n").as_bytes()).await?;
        let mut heard = String::new();
        soon("a line", io.read_line(&mut heard)).await?;
        Ok(heard.trim_end().into())
    }

    /// Is a connection there reset, at once or after the first words?
    pub async fn is_refused(addr: SocketAddr, words: &str) -> bool {
        match TcpStream::connect(addr).await {
            Ok(stream) => {
                let mut talk = Self::over(stream);
                talk.say(words).await;
                talk.cut_by_reset().await
            }
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    pub fn over(stream: S) -> Self {
        Self { io: BufReader::new(stream), reset: false }
    }

    pub async fn say(&mut self, line: &str) {
        let said = self.io.write_all(format!("{line}\n").as_bytes()).await;
        self.reset |= said.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset);
    }

    /// The next line; empty at the end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.io.read_line(&mut line)).await.unwrap();
        line.trim_end().into()
    }

    pub async fn ask(&mut self, line: &str) -> String {
        self.say(line).await;
        self.line().await
    }

    /// Ends this side and reads what is left of the other's.
    pub async fn finish(mut self) -> String {
        self.io.shutdown().await.unwrap();
        let mut rest = String::new();
        soon("the end", self.io.read_to_string(&mut rest)).await.unwrap();
        rest
    }

    /// Waits until the other side has cut the connection; true if by a reset.
    pub async fn cut_by_reset(mut self) -> bool {
        let mut rest = Vec::new();
        let read = soon("a cut", self.io.read_to_end(&mut rest)).await;
        self.reset || read.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset)
    }
}

/// Mesh TLS to an inbound port, as somebody.
pub async fn mesh_tls(
    addr: SocketAddr,
    tls: &MeshTls,
    alpn: &str,
    expected: &SpiffeId,
) -> io::Result<TlsStream<TcpStream>> {
    let config = tls.client_config(&[alpn.as_bytes()], expected.clone()).unwrap();
    let stream = TcpStream::connect(addr).await?;
    let handshake = TlsConnector::from(config).connect("pod.shop.isthmus.mesh".try_into().unwrap(), stream).await;
    handshake.map_err(|error| io::Error::new(error.kind(), Refused::words(&error)))
}

/// One GET over such a connection. A server's refusal of the certificate shows up here.
pub async fn get_over<S>(stream: S, path: &str) -> Result<Response<Incoming>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(soon("an answer", sender.send_request(request(path))).await?)
}

/// A field of an answer.
pub fn field<B>(response: &Response<B>, name: &str) -> String {
    response.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}
