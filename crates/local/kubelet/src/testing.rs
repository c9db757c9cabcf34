//! A runtime that runs nothing, and a client of the server's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::spdy::{Codec, Frame, Headers};
use crate::{
    ContainerRef, ExecOptions, ExecProcess, LogOptions, LogStream, Runtime, RuntimeError, Server, ServerConfig,
};

/// Nothing takes so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// Whom the server answers.
pub(crate) const CLIENT: &str = "kube-apiserver-kubelet-client";

/// Programs: `cat` (stdin to stdout until its end; exit code 0), `fail <code>` (writes to both outputs), `size` (prints the first new size
/// of the terminal), `hang`; `missing` can't be started. Logs are their own options. Port 7 is an echo
/// server, port 9 echoes once, others refuse.
pub(crate) struct Fake {
    /// Fires when a program is dropped.
    pub(crate) dropped: CancellationToken,
}

impl Runtime for Fake {
    fn logs<'a>(
        &'a self,
        container: &'a ContainerRef,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, RuntimeError>> {
        Box::pin(async move {
            if container.container == "nobody" {
                let ContainerRef { pod, container, .. } = container.clone();
                return Err(RuntimeError::UnknownContainer { pod, container });
            }
            let first = stream::iter([Ok(Bytes::from(format!("{options:?}\n")))]);
            let rest = if options.follow { stream::pending().boxed() } else { stream::empty().boxed() };
            Ok(first.chain(rest).boxed())
        })
    }

    fn exec<'a>(
        &'a self,
        _: &'a ContainerRef,
        argv: Vec<String>,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecProcess, RuntimeError>> {
        let dropped = self.dropped.clone();
        Box::pin(async move {
            let (stdin, mut input) = tokio::io::duplex(1024);
            let (mut output, stdout) = tokio::io::duplex(1024);
            let (mut errors, stderr) = tokio::io::duplex(1024);
            let (resize, mut sizes) = mpsc::channel(4);
            let exit: BoxFuture<'static, i32> = match argv.first().map(String::as_str) {
                Some("cat") => Box::pin(async move {
                    let copied = tokio::io::copy(&mut input, &mut output).await;
                    if copied.is_ok() { 0 } else { 1 }
                }),
                Some("fail") => Box::pin(async move {
                    let (out, err) = (output.write_all(b"out").await, errors.write_all(b"err").await);
                    (out.and(err)).map_or(1, |()| argv[1].parse().unwrap())
                }),
                Some("size") => Box::pin(async move {
                    let size: crate::TerminalSize = sizes.recv().await.unwrap();
                    output.write_all(format!("{}x{}", size.width, size.height).as_bytes()).await.map_or(1, |()| 0)
                }),
                Some("hang") => {
                    let guard = dropped.drop_guard();
                    Box::pin(async move {
                        let _held = (guard, output, errors, input);
                        std::future::pending().await
                    })
                }
                program => {
                    let program = program.unwrap_or_default().to_owned();
                    return Err(RuntimeError::Start { program, source: std::io::ErrorKind::NotFound.into() });
                }
            };
            Ok(ExecProcess {
                stdin: options.stdin.then(|| Box::new(stdin) as Box<_>),
                stdout: options.stdout.then(|| Box::new(stdout) as Box<_>),
                stderr: options.stderr.then(|| Box::new(stderr) as Box<_>),
                resize: options.tty.then_some(resize),
                exit: Box::pin(async move { AbortOnDropHandle::new(tokio::spawn(exit)).await.unwrap() }),
            })
        })
    }

    fn connect<'a>(&'a self, _: &'a str, _: &'a str, port: u16) -> BoxFuture<'a, std::io::Result<TcpStream>> {
        Box::pin(async move {
            if port != 7 && port != 9 {
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let stream = TcpStream::connect(listener.local_addr()?).await?;
            let (mut peer, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut all = Vec::new();
                if port == 7 {
                    peer.read_to_end(&mut all).await.unwrap();
                } else {
                    peer.read_buf(&mut all).await.unwrap();
                }
                peer.write_all(&all).await.unwrap();
            });
            Ok(stream)
        })
    }
}

/// A server, and the keys to reach it.
pub(crate) struct Harness {
    pub(crate) address: SocketAddr,
    pub(crate) dropped: CancellationToken,
    issuer: CertifiedIssuer<'static, KeyPair>,
    _stop: DropGuard,
}

pub(crate) type Connection = TokioIo<hyper::upgrade::Upgraded>;

impl Harness {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let (certificate, key) = issue(&issuer, "kubelet", ExtendedKeyUsagePurpose::ServerAuth);
        let client_ca = issuer.pem();
        let config = ServerConfig { certificate, key: key.serialize_pem(), client_ca, client_name: CLIENT.into() };
        let dropped = CancellationToken::new();
        let server = Server::new(&config, Arc::new(Fake { dropped: dropped.clone() })).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(listener, stop.clone()));
        Harness { address, dropped, issuer, _stop: stop.drop_guard() }
    }

    /// Asks as `client`; none shows no certificate.
    pub(crate) async fn ask(
        &self,
        client: Option<&str>,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let (certificate, key) = issue(&self.issuer, name, ExtendedKeyUsagePurpose::ClientAuth);
                let chain = vec![rustls::pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into())).unwrap()
            }
        };
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("kubelet").unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender.send_request(request).await?)
    }

    /// Asks as the API server for a text.
    pub(crate) async fn text(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Empty::new()).unwrap();
        let response = self.ask(Some(CLIENT), request).await.unwrap();
        let code = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Upgrades; the answer has the protocol that was chosen.
    pub(crate) async fn upgrade(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(String, Connection), StatusCode> {
        let mut request = Request::post(path).header("connection", "Upgrade");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.ask(Some(CLIENT), request.body(Empty::new()).unwrap()).await.unwrap();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(response.status());
        }
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let protocol = header("sec-websocket-protocol").or_else(|| header("x-stream-protocol-version"));
        let io = hyper::upgrade::on(response).await.unwrap();
        Ok((protocol.unwrap(), TokioIo::new(io)))
    }

    pub(crate) async fn web_socket(&self, path: &str, protocols: &str) -> (String, WebSocket) {
        let headers = [
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", protocols),
        ];
        let (protocol, io) = self.upgrade(path, &headers).await.unwrap();
        let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
        (protocol, tokio_tungstenite::WebSocketStream::from_raw_socket(io, role, None).await)
    }

    pub(crate) async fn spdy(&self, path: &str, protocol: &str) -> SpdyClient<impl AsyncReader, impl AsyncWriter> {
        let headers = [("upgrade", "SPDY/3.1"), ("x-stream-protocol-version", protocol)];
        let (chosen, io) = self.upgrade(path, &headers).await.unwrap();
        assert_eq!(chosen, protocol);
        let (input, output) = tokio::io::split(io);
        SpdyClient::new(input, output)
    }
}

fn issue(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key)
}

pub(crate) type WebSocket = tokio_tungstenite::WebSocketStream<Connection>;
pub(crate) trait AsyncReader: tokio::io::AsyncRead + Send + Unpin + 'static {}
impl<T: tokio::io::AsyncRead + Send + Unpin + 'static> AsyncReader for T {}
pub(crate) trait AsyncWriter: tokio::io::AsyncWrite + Send + Unpin + 'static {}
impl<T: tokio::io::AsyncWrite + Send + Unpin + 'static> AsyncWriter for T {}

/// The other side of SPDY, as far as clients of these protocols go.
pub(crate) struct SpdyClient<R, W> {
    input: FramedRead<R, Codec>,
    output: FramedWrite<W, Codec>,
    next: u32,
    /// What each stream has brought so far, and whether it has ended.
    pub(crate) streams: std::collections::HashMap<u32, (BytesMut, bool)>,
}

impl<R: AsyncReader, W: AsyncWriter> SpdyClient<R, W> {
    pub(crate) fn new(input: R, output: W) -> Self {
        let codec = || Codec::new().unwrap();
        let (input, output) = (FramedRead::new(input, codec()), FramedWrite::new(output, codec()));
        SpdyClient { input, output, next: 1, streams: Default::default() }
    }

    pub(crate) async fn open(&mut self, headers: &[(&str, &str)]) -> u32 {
        let id = self.next;
        self.next += 2;
        let headers: Headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.output.send(Frame::SynStream { id, headers, fin: false }).await.unwrap();
        id
    }

    pub(crate) async fn send(&mut self, id: u32, data: &'static [u8], fin: bool) {
        self.output.send(Frame::Data { id, data: Bytes::from_static(data), fin }).await.unwrap();
    }

    /// Reads until a stream has ended; what it has brought.
    pub(crate) async fn read(&mut self, id: u32) -> String {
        let read = async {
            while !self.streams.get(&id).is_some_and(|(_, ended)| *ended) {
                match self.input.next().await.expect("the connection ended").unwrap() {
                    Frame::SynReply { id, .. } => {
                        self.streams.entry(id).or_default();
                    }
                    Frame::Data { id, data, fin } => {
                        let stream = self.streams.get_mut(&id).expect("no data before the reply");
                        stream.0.extend_from_slice(&data);
                        stream.1 |= fin;
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(LIMIT, read).await.unwrap();
        String::from_utf8(self.streams[&id].0.to_vec()).unwrap()
    }
}
