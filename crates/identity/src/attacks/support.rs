//! Forged certificates, and real handshakes in memory.

use std::sync::Arc;

use isthmus_core::id::{SpiffeId, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::{
    ClientConfig, ServerConfig, SignatureScheme, client::ResolvesClientCert, server::ResolvesServerCert,
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{Bundle, ClientCerts, MeshTls, Refused, SvidCell, TrustStore, crypto_provider, peer_id};

pub(super) const ALPN: &[&[u8]] = &[b"isthmus-test"];
pub(super) const WEB: &str = "spiffe://a.test/ns/shop/sa/web";
pub(super) const STORE: &str = "spiffe://a.test/ns/shop/sa/store";
pub(super) const FOREIGN: &str = "spiffe://b.test/ns/shop/sa/web";

pub(super) fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

pub(super) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub(super) fn days(days: i64) -> std::time::Duration {
    std::time::Duration::from_secs(u64::try_from(days).unwrap() * 86_400)
}

/// A CA that signs anything.
pub(super) struct Ca {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// A chain with its key, ready to be shown.
#[derive(Clone, Debug)]
pub(super) struct Forged(pub(super) Arc<CertifiedKey>);

fn now() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// What a good certificate has, for an hour from now.
pub(super) fn params(names: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "test");
    params.subject_alt_names = names;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now() - std::time::Duration::from_mins(1);
    params.not_after = epoch + now() + std::time::Duration::from_hours(1);
    params
}

fn ca_params(domain: &str) -> CertificateParams {
    let mut params = params(vec![uri(&format!("spiffe://{domain}"))]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

pub(super) fn leaf_params(id: &str) -> CertificateParams {
    let mut params = params(vec![uri(id)]);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Ca {
    pub(super) fn root(domain: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(domain);
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        Self { issuer: Issuer::new(params, key), chain }
    }

    /// A certificate under this one that signs in its turn, whether it may or not.
    pub(super) fn intermediate(&self, domain: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(domain);
        params.distinguished_name.push(DnType::CommonName, "intermediate");
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        Self { issuer: Issuer::new(params, key), chain }
    }

    pub(super) fn bundle(&self, domain: &str) -> Bundle {
        Bundle { trust_domain: TrustDomain::new(domain).unwrap(), roots: self.chain.clone(), sequence: 1 }
    }

    /// A leaf, good but for the edit, followed by these intermediates.
    pub(super) fn leaf(
        &self,
        id: &str,
        intermediates: &[CertificateDer<'static>],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Forged {
        let mut params = leaf_params(id);
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let mut chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        chain.extend_from_slice(intermediates);
        Forged::new(chain, &key)
    }
}

impl Forged {
    pub(super) fn new(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = crypto_provider().key_provider.load_private_key(key).unwrap();
        Self(Arc::new(CertifiedKey::new(chain, key)))
    }
}

impl ResolvesClientCert for Forged {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Forged {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A mesh that trusts a.test and b.test.
pub(super) struct World {
    pub(super) a: Ca,
    pub(super) b: Ca,
    pub(super) tls: MeshTls,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_roots(Ca::root("a.test", |_| {}), Ca::root("b.test", |_| {}))
    }

    pub(super) fn with_roots(a: Ca, b: Ca) -> Self {
        let store = TrustStore::with(&[a.bundle("a.test"), b.bundle("b.test")]).unwrap();
        let tls = MeshTls::new(Arc::new(store), Arc::new(SvidCell::new()));
        Self { a, b, tls }
    }

    pub(super) fn server(&self, shown: Forged) -> Arc<ServerConfig> {
        self.server_for(shown, ClientCerts::Required)
    }

    pub(super) fn server_for(&self, shown: Forged, clients: ClientCerts) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.tls.server_config(ALPN, clients).unwrap());
        config.cert_resolver = Arc::new(shown);
        Arc::new(config)
    }

    pub(super) fn client(&self, shown: Forged, expected: &str) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.tls.client_config(ALPN, id(expected)).unwrap());
        config.client_auth_cert_resolver = Arc::new(shown);
        Arc::new(config)
    }

    pub(super) fn good(&self, id: &str) -> Forged {
        self.a.leaf(id, &[], |_| {})
    }

    /// Shows a certificate as a client to an honest server, then as a server to an honest client that calls `id`;
    /// gives why each refused it.
    pub(super) async fn refusals(&self, shown: &Forged, called: &str) -> [Refused; 2] {
        let as_client = handshake(self.server(self.good(STORE)), self.client(shown.clone(), STORE)).await;
        let as_server = handshake(self.server(shown.clone()), self.client(self.good(WEB), called)).await;
        [as_client.server.unwrap_err(), as_server.client.unwrap_err()]
            .map(|e| Refused::of_io(&e).unwrap_or_else(|| panic!("not a refusal: {e}")).clone())
    }
}

/// What each side made of a handshake: whom it has found.
pub(super) struct Outcome {
    pub(super) server: std::io::Result<Seen>,
    pub(super) client: std::io::Result<Seen>,
}

#[derive(Debug)]
pub(super) struct Seen {
    pub(super) peer: Option<SpiffeId>,
    pub(super) group: Option<rustls::NamedGroup>,
    pub(super) kind: Option<rustls::HandshakeKind>,
}

fn seen(connection: &rustls::CommonState) -> Seen {
    Seen {
        peer: connection.peer_certificates().and_then(peer_id),
        group: connection.negotiated_key_exchange_group().map(|g| g.name()),
        kind: connection.handshake_kind(),
    }
}

/// A whole handshake and one byte each way: in TLS 1.3 a client learns only by reading that it was refused.
pub(super) async fn handshake(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Outcome {
    let (left, right) = tokio::io::duplex(1 << 16);
    let serve = async move {
        let mut stream = TlsAcceptor::from(server).accept(left).await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        stream.write_all(&byte).await?;
        stream.flush().await?;
        Ok(seen(stream.get_ref().1))
    };
    let call = async move {
        let name = ServerName::try_from("p80.store.shop.svc.a.mesh").unwrap();
        let mut stream = TlsConnector::from(client).connect(name, right).await?;
        let mut byte = [7];
        stream.write_all(&byte).await?;
        stream.flush().await?;
        stream.read_exact(&mut byte).await?;
        Ok(seen(stream.get_ref().1))
    };
    let (server, client) = tokio::join!(serve, call);
    Outcome { server, client }
}
