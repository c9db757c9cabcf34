//! TLS towards others: whom we believe, and who we say we are.

use std::fmt;
use std::sync::Arc;

use isthmus_runtime::dangerous::AnybodyWillDo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Why TLS material can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA bundle.
    #[error("the CA bundle is unusable: {0}: give it PEM certificates")]
    InvalidBundle(String),
    /// The client certificate or its key. The key itself is never shown.
    #[error("the client certificate or its key is unusable: {0}")]
    InvalidClientCertificate(String),
    /// There is nothing to check the server's certificate with.
    #[error("no caBundle is given, and no public roots are trusted here: set caBundle")]
    MissingBundle,
}

/// A client certificate and its key.
#[derive(Clone)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl ClientCertificate {
    /// Reads a PEM chain (leaf first) and a PEM private key.
    ///
    /// # Errors
    /// [`TlsError::InvalidClientCertificate`] when there is no certificate or no key in them.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, TlsError> {
        let invalid = |error: String| TlsError::InvalidClientCertificate(error);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(error.to_string()))?;
        if chain.is_empty() {
            return Err(invalid("there is no certificate in it".to_owned()));
        }
        // The parser's error is not repeated: it may quote what it could not read.
        let key =
            PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| invalid("no PEM private key".to_owned()))?;
        Ok(Self { chain, key: Arc::new(key) })
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Whose certificates we accept.
pub(crate) enum Trust<'a> {
    /// Those under these PEM roots.
    Bundle(&'a [u8]),
    /// Any (`insecureSkipTLSVerify`, and the availability probe).
    Anyone,
}

/// A configuration for one call; HTTP/1.1 only.
pub(crate) fn client_config(
    trust: &Trust<'_>,
    identity: Option<&ClientCertificate>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::InvalidBundle(error.to_string()))?;
    let builder = match trust {
        Trust::Bundle(pem) => builder.with_root_certificates(roots(pem)?),
        Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(AnybodyWillDo::new(provider)),
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(ClientCertificate { chain, key }) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|error| TlsError::InvalidClientCertificate(error.to_string()))?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates of a PEM bundle, of which there must be at least one.
pub(crate) fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    if pem.is_empty() {
        return Err(TlsError::MissingBundle);
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError::InvalidBundle(error.to_string()))?;
        roots.add(certificate).map_err(|error| TlsError::InvalidBundle(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::InvalidBundle("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}
