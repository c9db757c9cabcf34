//! Over TLS: who is let in, and who isn't.

use std::{net::SocketAddr, time::SystemTime};

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use isthmus_core::id::TrustDomain;
use isthmus_identity::Authority;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::DropGuard;

use super::*;
use crate::https::{self, Serve};

const SERVICE: &str = "isthmus-controller.isthmus-system.svc";

/// A root for front proxies.
struct Root {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Root {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn client(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    fn says(&self, names: &str) -> Option<(String, String)> {
        Some((self.pem.clone(), names.to_owned()))
    }
}

/// Says whether it trusts whoever asks.
struct Door(Arc<FrontProxy>);

impl Serve for Door {
    type Body = Full<Bytes>;

    fn tls(&self) -> (Arc<ServerConfig>, CancellationToken) {
        self.0.tls()
    }

    async fn answer(
        &self,
        certificate: Option<&CertificateDer<'static>>,
        _: http::Request<Incoming>,
    ) -> http::Response<Full<Bytes>> {
        http::Response::new(Full::from(self.0.trusts(certificate).to_string()))
    }
}

struct Running {
    authority: Authority,
    front_proxy: Arc<FrontProxy>,
    addr: SocketAddr,
    _stop: DropGuard,
}

async fn start() -> Running {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let authority = Authority::generate(domain, SystemTime::now(), Duration::from_secs(3600)).unwrap();
    let certificate = Certificate::new(&authority, &[SERVICE.to_owned()]).unwrap();
    let front_proxy = Arc::new(FrontProxy::new(certificate).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    tokio::spawn(https::serve("door", listener, Arc::new(Door(front_proxy.clone())), stop.clone()));
    Running { authority, front_proxy, addr, _stop: stop.drop_guard() }
}

type Connection = TlsStream<TcpStream>;

impl Running {
    async fn connect(
        &self,
        own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> std::io::Result<Connection> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate().clone()).unwrap();
        let builder =
            ClientConfig::builder_with_provider(crypto_provider()).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        };
        let stream = TcpStream::connect(self.addr).await?;
        TlsConnector::from(Arc::new(config)).connect(SERVICE.try_into().unwrap(), stream).await
    }

    /// `None`: the handshake was refused. In TLS 1.3 the client learns of it by its first read.
    async fn trusts(&self, own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>) -> Option<bool> {
        let stream = self.connect(own).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let request = http::Request::get("/").header("host", SERVICE).body(Empty::<Bytes>::new()).unwrap();
        let body = sender.send_request(request).await.ok()?.into_body().collect().await.ok()?.to_bytes();
        Some(&*body == b"true")
    }
}

#[tokio::test]
async fn only_the_front_proxy_of_the_right_root_and_name_is_trusted() {
    let (running, root, other) = (start().await, Root::new(), Root::new());
    let right = || Some(root.client("front-proxy-client"));
    // Before anything is known, and when it is gone, nobody is.
    assert_eq!(running.trusts(right()).await, Some(false));
    running.front_proxy.set(root.says(r#"["front-proxy-client", "aggregator"]"#)).unwrap();
    assert_eq!(running.trusts(right()).await, Some(true));
    assert_eq!(running.trusts(Some(root.client("aggregator"))).await, Some(true));
    assert_eq!(running.trusts(Some(root.client("kubernetes-admin"))).await, Some(false), "another name");
    assert_eq!(running.trusts(None).await, Some(false), "no certificate");
    assert_eq!(running.trusts(Some(other.client("front-proxy-client"))).await, None, "another root");
    // A workload of the mesh isn't the API server either.
    running.front_proxy.set(root.says("[]")).unwrap();
    assert_eq!(running.trusts(Some(root.client("anybody"))).await, Some(true), "no names: any");
    running.front_proxy.set(None).unwrap();
    assert_eq!(running.trusts(right()).await, Some(false));
}

#[tokio::test]
async fn connections_end_with_the_roots_that_let_them_in() {
    let (running, root, other) = (start().await, Root::new(), Root::new());
    running.front_proxy.set(root.says("")).unwrap();
    let stream = running.connect(Some(root.client("front-proxy-client"))).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = || http::Request::get("/").header("host", SERVICE).body(Empty::<Bytes>::new()).unwrap();
    sender.send_request(request()).await.unwrap().into_body().collect().await.unwrap();
    running.front_proxy.set(other.says("")).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
    assert!(ended.is_ok(), "still open");
    assert_eq!(running.trusts(Some(root.client("front-proxy-client"))).await, None);
    assert_eq!(running.trusts(Some(other.client("front-proxy-client"))).await, Some(true));
}

#[tokio::test]
async fn what_can_not_be_read_leaves_things_as_they_are() {
    let (running, root) = (start().await, Root::new());
    running.front_proxy.set(root.says("")).unwrap();
    for (pem, names) in [("no PEM", ""), ("", ""), (&*root.pem, "not JSON"), (&*root.pem, r#"{"a": 1}"#)] {
        assert!(running.front_proxy.set(Some((pem.to_owned(), names.to_owned()))).is_err(), "{pem} {names}");
    }
    assert_eq!(running.trusts(Some(root.client("front-proxy-client"))).await, Some(true));
}

#[test]
fn the_roots_of_users_are_not_those_of_front_proxies() {
    let map = |data: &[(&str, &str)]| ConfigMap {
        data: Some(data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
        ..ConfigMap::default()
    };
    assert_eq!(read(map(&[("client-ca-file", "users")])), None);
    assert_eq!(read(map(&[(CA, "roots")])), Some(("roots".to_owned(), String::new())));
    assert_eq!(read(ConfigMap::default()), None);
}
