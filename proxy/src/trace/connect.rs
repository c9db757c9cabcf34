//! Connecting to the collector, past the pod's own redirect.

use std::{io, path::Path, pin::Pin, sync::Arc};

use isthmus_core::trace::{Collector, Protocol};
use isthmus_identity::crypto_provider;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

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
    /// The file can't be read, or holds no certificate.
    #[error("the collector's roots, {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS can't be set up.
    #[error("TLS to the collector: {0}")]
    Tls(#[from] rustls::Error),
}

impl Dialler {
    pub(super) fn new(collector: &Collector, ca_file: Option<&Path>, mark: Option<u32>) -> Result<Self, BadRoots> {
        let tls = if collector.tls() { Some(Arc::new(config(collector.protocol(), ca_file)?)) } else { None };
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

fn config(protocol: Protocol, ca_file: Option<&Path>) -> Result<ClientConfig, BadRoots> {
    let builder = ClientConfig::builder_with_provider(crypto_provider()).with_safe_default_protocol_versions()?;
    let mut config = match ca_file {
        Some(file) => builder.with_root_certificates(roots(file)?).with_no_client_auth(),
        None => builder.with_platform_verifier()?.with_no_client_auth(),
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Grpc => b"h2".to_vec(),
        Protocol::Http => b"http/1.1".to_vec(),
    }];
    Ok(config)
}

fn roots(file: &Path) -> Result<RootCertStore, BadRoots> {
    let bad = |reason: String| BadRoots::File { path: file.display().to_string(), reason };
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))? {
        let root = root.map_err(|error| bad(error.to_string()))?;
        roots.add(root).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() { Err(bad("it holds no certificate".into())) } else { Ok(roots) }
}
