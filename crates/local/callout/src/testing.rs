//! A certificate authority, HTTPS servers on loopback, and a client for them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::forward::Body;
use crate::{Callout, ClientCertificate, HostDial, Limits, Services};

/// The name that webhooks of these tests have in their certificates.
pub(crate) const HOST: &str = "hook.default.svc";

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

pub(crate) struct Leaf {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn leaf(&self, name: &str) -> Leaf {
        self.issue(name, |_| {})
    }

    pub(crate) fn expired_leaf(&self, name: &str) -> Leaf {
        self.issue(name, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 2);
        })
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Leaf { chain: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    pub(crate) fn identity(&self, name: &str) -> ClientCertificate {
        let leaf = self.leaf(name);
        ClientCertificate::from_pem(&leaf.chain, &leaf.key).unwrap()
    }

    /// As it stands in a `caBundle`.
    pub(crate) fn bundle(&self) -> String {
        BASE64_STANDARD.encode(&self.pem)
    }
}

pub(crate) type Handler = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A server that ends with its test.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(leaf: &Leaf, clients: Option<&Authority>, handler: Handler) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(crate::tls::roots(authority.pem.as_bytes()).unwrap());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = CertificateDer::pem_slice_iter(leaf.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (acceptor, handler) = (acceptor.clone(), handler.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let service = service_fn(move |request| {
                        let answer = handler(request);
                        async move { Ok::<_, std::convert::Infallible>(answer.await) }
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    let _ = server.serve_connection(TokioIo::new(tls), service).with_upgrades().await;
                });
            }
        });
        Self { addr, task }
    }
}

pub(crate) fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A handler that keeps the JSON requests that it gets, and answers by `answer`.
pub(crate) fn json_handler(
    answer: impl Fn(&Value) -> Value + Send + Sync + 'static,
) -> (Handler, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (kept, answer) = (asked.clone(), Arc::new(answer));
    let handler: Handler = Arc::new(move |request| {
        let (kept, answer) = (kept.clone(), answer.clone());
        Box::pin(async move {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            let request: Value = serde_json::from_slice(&bytes).unwrap();
            let response = Response::new(body(answer(&request).to_string()));
            kept.lock().unwrap().push(request);
            response
        })
    });
    (handler, asked)
}

/// A handler that always answers so.
pub(crate) fn fixed(status: u16, text: &'static str) -> Handler {
    Arc::new(move |_| {
        Box::pin(async move {
            let mut response = Response::new(body(text));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            response
        })
    })
}

/// Services that are where the test says; the port plays no part.
#[derive(Default)]
pub(crate) struct Fixed(pub(crate) HashMap<String, SocketAddr>);

impl Services for Fixed {
    fn resolve(&self, namespace: &str, name: &str, _: u16) -> Option<SocketAddr> {
        self.0.get(&format!("{name}.{namespace}.svc")).copied()
    }
}

/// A client that finds these services.
pub(crate) fn callout(services: &[(&str, SocketAddr)], limits: Limits) -> Callout {
    let services = services.iter().map(|(name, addr)| ((*name).to_owned(), *addr)).collect();
    Callout::new(Arc::new(HostDial), Arc::new(Fixed(services)), limits)
}

/// A `clientConfig` for [`HOST`].
pub(crate) fn client_config(authority: &Authority) -> Value {
    json!({"service": {"namespace": "default", "name": "hook", "path": "/ask"}, "caBundle": authority.bundle()})
}

/// An address where nobody listens.
pub(crate) async fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

/// Fails a test that hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it hangs")
}
