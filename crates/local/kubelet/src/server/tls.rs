//! TLS with client certificates.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig as TlsConfig};

use super::{ServerConfig, ServerError};

pub(super) fn server_config(config: &ServerConfig) -> Result<TlsConfig, ServerError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let invalid = |field| ServerError::InvalidPem { field };
    let certificates =
        |pem: &str, field| match CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>() {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(invalid(field)),
        };
    let mut roots = RootCertStore::empty();
    for root in certificates(&config.client_ca, "client_ca")? {
        roots.add(root)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|_| invalid("client_ca"))?;
    let chain = certificates(&config.certificate, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(config.key.as_bytes()).map_err(|_| invalid("key"))?;
    let mut tls = TlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// Whether a certificate, which is under the CA already, was given to this client.
pub(super) fn has_name(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return false };
    let mut names = certificate.subject().iter_common_name();
    let (Some(only), None) = (names.next(), names.next()) else { return false };
    only.as_str().is_ok_and(|common| common == name)
}
