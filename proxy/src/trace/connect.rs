//! Connecting to the collector, past the pod's own redirect.

use std::{io, pin::Pin, sync::Arc};

use isthmus_core::trace::{Collector, Protocol};
use isthmus_identity::crypto_provider;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::Roots;
use crate::{endpoint::dial_tcp, limits::CONNECT_TIME};

/// What bytes go through, with TLS or without.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection.
pub(super) type Stream = Pin<Box<dyn Io>>;

/// How the collector is dialled.
#[derive(Clone)]
pub(super) struct Dialler {
    collector: Collector,
    tls: Option<Arc<ClientConfig>>,
    mark: Option<u32>,
}

/// Why its certificate couldn't be judged.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    /// They can't be read, or hold no certificate.
    #[error("the collector's roots, {place}: {reason}")]
    Roots {
        /// Where they are.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS can't be set up.
    #[error("TLS to the collector: {0}")]
    Tls(#[from] rustls::Error),
}

impl Dialler {
    pub(super) fn new(collector: &Collector, roots: Option<&Roots>, mark: Option<u32>) -> Result<Self, BadRoots> {
        let tls = if collector.tls() { Some(Arc::new(config(collector.protocol(), roots)?)) } else { None };
        Ok(Self { collector: collector.clone(), tls, mark })
    }

    /// A new connection.
    pub(super) async fn dial(&self) -> io::Result<Stream> {
        let dialled = tokio::time::timeout(CONNECT_TIME, self.try_dial()).await;
        dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn try_dial(&self) -> io::Result<Stream> {
        let host = self.collector.host();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the collector's name has no address");
        for addr in tokio::net::lookup_host((host, self.collector.port())).await? {
            match dial_tcp(addr, self.mark).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let Some(tls) = &self.tls else { return Ok(Box::pin(stream)) };
                    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
                    return Ok(Box::pin(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn config(protocol: Protocol, roots: Option<&Roots>) -> Result<ClientConfig, BadRoots> {
    let builder = ClientConfig::builder_with_provider(crypto_provider()).with_safe_default_protocol_versions()?;
    let mut config = match roots {
        Some(roots) => builder.with_root_certificates(store(roots)?).with_no_client_auth(),
        None => builder.with_platform_verifier()?.with_no_client_auth(),
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Grpc => b"h2".to_vec(),
        Protocol::Http => b"http/1.1".to_vec(),
    }];
    Ok(config)
}

fn store(roots: &Roots) -> Result<RootCertStore, BadRoots> {
    let place = match roots {
        Roots::File(file) => file.display().to_string(),
        Roots::Pem(_) => "as handed over".to_owned(),
    };
    let bad = |reason: String| BadRoots::Roots { place: place.clone(), reason };
    let certificates: Result<Vec<_>, _> = match roots {
        Roots::File(file) => CertificateDer::pem_file_iter(file).and_then(Iterator::collect),
        Roots::Pem(text) => CertificateDer::pem_slice_iter(text.as_bytes()).collect(),
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates.map_err(|error| bad(error.to_string()))? {
        store.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if store.is_empty() { Err(bad("no certificate is there".into())) } else { Ok(store) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_are_none_are_refused_and_the_place_is_named() {
        let refused = |roots: Roots| store(&roots).unwrap_err().to_string();
        let file = tempfile::NamedTempFile::new().unwrap();
        for (roots, place) in [
            (Roots::File(file.path().into()), file.path().to_str().unwrap()),
            (Roots::File("/nowhere/ca.pem".into()), "/nowhere/ca.pem"),
            (Roots::Pem("nonsense".into()), "as handed over"),
            (Roots::Pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into()), "as handed over"),
        ] {
            let error = refused(roots);
            assert!(error.contains(place), "{error}");
        }
    }
}
