//! TLS: our certificate, and clients' certificates checked against our CA.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::Error;
use crate::pki::Pki;

/// HTTP/2 and HTTP/1.1; a client certificate is asked for but not required.
pub(crate) fn server_config(pki: &Pki) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unusable = |what: &'static str| move |_| Error::UnusableCertificate { what };
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).map_err(unusable("the CA"))?;
    roots.add(ca).map_err(|source| Error::Tls { source })?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|_| Error::UnusableCertificate { what: "the CA" })?;
    let serving = pki.serving();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(serving.certificate.as_bytes()).collect();
    let chain = chain.map_err(unusable("the serving certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(serving.key.as_bytes()).map_err(unusable("the serving key"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Tls { source })?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|source| Error::Tls { source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
