//! rustls configurations for the mesh: built once, reading roots and certificate anew at each handshake.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::KeyUsage;

use crate::{
    refused::Refused,
    rotation::RootId,
    svid::SvidCell,
    trust::TrustStore,
    verify::{ExpectedPeer, root_of, verify},
};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    use aws_lc_rs::{cipher_suite as suite, kx_group as group};
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![group::X25519MLKEM768, group::X25519, group::SECP256R1],
        ..aws_lc_rs::default_provider()
    })
});

/// The cryptography of the mesh: aws-lc-rs, the suites of TLS 1.3, and X25519MLKEM768 before X25519 and P-256.
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Whether a server insists on its clients' certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCerts {
    /// No handshake without one.
    Required,
    /// One that is shown must hold; a client may show none. For the door at which first certificates are asked for.
    Optional,
}

/// Makes TLS configurations. Each reads the roots and the SVID anew at every handshake, so a configuration can be
/// kept for as long as its protocols and its expected peer stay the same.
#[derive(Debug, Clone)]
pub struct MeshTls {
    roots: Arc<TrustStore>,
    svid: Arc<SvidCell>,
}

impl MeshTls {
    /// TLS by these roots, as this workload.
    pub fn new(roots: Arc<TrustStore>, svid: Arc<SvidCell>) -> Self {
        Self { roots, svid }
    }

    /// The roots that are trusted.
    pub fn roots(&self) -> &Arc<TrustStore> {
        &self.roots
    }

    /// The workload's own certificate.
    pub fn svid(&self) -> &Arc<SvidCell> {
        &self.svid
    }

    /// The published root that the workload's own certificate stands on, and whether it is the one that signs: the first of
    /// its domain's bundle. `None` without a certificate, and for one that peers with the same roots would refuse.
    pub fn own_root(&self) -> Option<(RootId, bool)> {
        let svid = self.svid.get()?;
        let bundle = self.roots.bundle(svid.id().trust_domain())?;
        let algorithms = &crypto_provider().signature_verification_algorithms;
        // Within the leaf's own life: what is asked is who has signed it, not whether this clock is right.
        let now = SystemTime::now().clamp(svid.not_before(), svid.not_after().max(svid.not_before()));
        let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).ok()?);
        let root = root_of(&bundle, algorithms, svid.chain(), now)?;
        Some((root, bundle.roots.first().map(RootId::of) == Some(root)))
    }

    /// For a server that speaks these protocols (ALPN, in its order of preference; a client that offers none of
    /// them is refused, one without ALPN isn't). [`crate::peer_id`] tells who has connected.
    pub fn server_config(&self, alpn: &[&[u8]], clients: ClientCerts) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(Verifier {
                roots: Arc::clone(&self.roots),
                side: Side::Server(clients),
            }))
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(&self.svid))));
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        // No resumption: it would skip the verifier, and with it every change of roots.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// For a client that offers these protocols and wants to find this peer. The server name of the connection is
    /// only sent, as SNI: who the peer must be is said here. Cheap: it may be made for each connection.
    pub fn client_config(
        &self,
        alpn: &[&[u8]],
        expected: impl Into<ExpectedPeer>,
    ) -> Result<Arc<ClientConfig>, rustls::Error> {
        let verifier = Verifier { roots: Arc::clone(&self.roots), side: Side::Client(expected.into()) };
        let mut config = ClientConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Resolver(Arc::clone(&self.svid))));
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// Shows the present SVID.
struct Resolver(Arc<SvidCell>);

impl Resolver {
    fn certified(&self) -> Option<Arc<CertifiedKey>> {
        self.0.get().map(|svid| Arc::clone(&svid.certified))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certified()
    }
}

impl ResolvesClientCert for Resolver {
    /// None that has expired: it would be refused even where none is needed, as by the controller that is asked for the next.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let svid = self.0.get()?;
        (SystemTime::now() <= svid.not_after()).then(|| Arc::clone(&svid.certified))
    }

    fn has_certs(&self) -> bool {
        self.0.get().is_some()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resolver").field(&self.0).finish()
    }
}

#[derive(Debug)]
enum Side {
    Server(ClientCerts),
    Client(ExpectedPeer),
}

/// One verifier for both sides: they differ in the extended key usage and in whom they expect.
#[derive(Debug)]
struct Verifier {
    roots: Arc<TrustStore>,
    side: Side,
}

impl Verifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: UnixTime,
    ) -> Result<(), Refused> {
        let algorithms = &crypto_provider().signature_verification_algorithms;
        let id = verify(&self.roots.snapshot(), algorithms, leaf, intermediates, usage, now)?;
        match &self.side {
            Side::Client(expected) if !expected.admits(&id) => Err(Refused::Unexpected(id)),
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(leaf, intermediates, KeyUsage::server_auth(), now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &crypto_provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &crypto_provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto_provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        !matches!(self.side, Side::Server(ClientCerts::Optional))
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(leaf, intermediates, KeyUsage::client_auth(), now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}

#[cfg(test)]
mod tests;
