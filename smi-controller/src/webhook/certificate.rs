//! The certificate that the API server checks: for the Service's DNS names, signed by the mesh's root, and with no
//! SPIFFE ID, so that it is good for nothing in the mesh.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use isthmus_identity::{Authority, crypto_provider};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_util::sync::CancellationToken;

use crate::ca::SharedRoots;

/// How long one is good for.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// For clocks that are behind.
const BACKDATE: Duration = Duration::from_secs(60);
/// Pause after a failure to renew.
const RETRY: Duration = Duration::from_secs(60);

/// Why there is no certificate. Never says anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Making it failed.
    #[error("certificate of the webhooks: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library doesn't take it.
    #[error("certificate of the webhooks: {0}")]
    Use(#[from] rustls::Error),
}

/// The present certificate.
pub(crate) struct Certificate(ArcSwap<CertifiedKey>);

impl Certificate {
    /// Makes the first.
    pub(crate) fn new(authority: &Authority, names: &[String]) -> Result<Arc<Self>, CertificateError> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(make(authority, names)?))))
    }

    /// Makes a new one after two thirds of each lifetime, and whenever the roots change, until `stop`.
    pub(crate) async fn renew(self: Arc<Self>, mut roots: SharedRoots, names: Vec<String>, stop: CancellationToken) {
        let mut pause = LIFETIME * 2 / 3;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = roots.changed() => {}
                () = stop.cancelled() => return,
            }
            let authority = roots.borrow_and_update().signer().clone();
            pause = match make(&authority, &names) {
                Ok(next) => {
                    self.0.store(Arc::new(next));
                    tracing::info!("renewed the certificate of the webhooks");
                    LIFETIME * 2 / 3
                }
                Err(error) => {
                    tracing::error!(%error, "couldn't renew");
                    RETRY
                }
            };
        }
    }

    /// A TLS configuration that shows the present one. The API server may speak TLS 1.2, but doesn't.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

fn make(authority: &Authority, names: &[String]) -> Result<CertifiedKey, CertificateError> {
    let pem = authority.to_pem();
    let issuer = Issuer::from_ca_cert_pem(&pem.certificate, KeyPair::from_pem(pem.key.expose())?)?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "Isthmus webhooks");
    params.not_before = (SystemTime::now() - BACKDATE).into();
    params.not_after = (SystemTime::now() + LIFETIME).min(authority.not_after()).into();
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let der = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let signing = crypto_provider().key_provider.load_private_key(der)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}
