//! Who may ask: the API server, by the certificate that `kube-system/extension-apiserver-authentication` tells extensions to
//! trust. Whom it asks for it has authorized already.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use isthmus_identity::crypto_provider;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::webhook::Certificate;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
const CA: &str = "requestheader-client-ca-file";
const NAMES: &str = "requestheader-allowed-names";
/// How often it is looked at.
const PERIOD: Duration = Duration::from_secs(10);
/// How often, until it is there.
const FIRST_PERIOD: Duration = Duration::from_millis(500);

/// What can't be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadTrust {
    /// The roots.
    #[error("{CA}: {0}")]
    Ca(String),
    /// The names.
    #[error("{NAMES}: not a JSON list of names: {0}")]
    Names(#[from] serde_json::Error),
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Who is trusted at present.
pub(crate) struct FrontProxy {
    certificate: Arc<Certificate>,
    trust: ArcSwap<Trust>,
}

struct Trust {
    /// What it was made from: `None` before anything is known, and when it is gone.
    from: Option<(String, String)>,
    /// Common names; any if empty.
    names: Vec<String>,
    tls: Arc<ServerConfig>,
    /// Connections that were let in by it end with it.
    over: CancellationToken,
}

impl FrontProxy {
    /// Trusts nobody yet.
    pub(crate) fn new(certificate: Arc<Certificate>) -> Result<Self, BadTrust> {
        let trust = ArcSwap::from_pointee(Trust::new(&certificate, None)?);
        Ok(Self { certificate, trust })
    }

    /// For a new connection.
    pub(crate) fn tls(&self) -> (Arc<ServerConfig>, CancellationToken) {
        let trust = self.trust.load();
        (trust.tls.clone(), trust.over.clone())
    }

    /// Is whoever has shown this certificate, which one of the roots has signed, the API server?
    pub(crate) fn trusts(&self, certificate: Option<&CertificateDer<'static>>) -> bool {
        let trust = self.trust.load();
        let Some(certificate) = certificate.filter(|_| trust.from.is_some()) else { return false };
        trust.names.is_empty() || common_name(certificate).is_some_and(|name| trust.names.contains(&name))
    }

    /// Trusts as this says from now on; `None`: nobody.
    fn set(&self, from: Option<(String, String)>) -> Result<(), BadTrust> {
        if self.trust.load().from == from {
            return Ok(());
        }
        let next = Trust::new(&self.certificate, from)?;
        tracing::info!(trusted = next.from.is_some(), names = ?next.names, "whom the metrics API takes for the API server");
        self.trust.swap(Arc::new(next)).over.cancel();
        Ok(())
    }

    /// Reads it again and again until `stop`. What can't be read leaves things as they are.
    pub(crate) async fn follow(self: Arc<Self>, client: Client, stop: CancellationToken) {
        let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
        let mut told = String::new();
        loop {
            let problem = match api.get_opt(NAME).await {
                Ok(found) => self.set(found.and_then(read)).err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) = &problem
                && told != *problem
            {
                tracing::warn!(error = problem, "couldn't use {NAMESPACE}/{NAME}: the metrics API goes on as before");
            }
            told = problem.unwrap_or_default();
            let period = if self.trust.load().from.is_some() { PERIOD } else { FIRST_PERIOD };
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// The roots, and the names. `None`: this cluster has no aggregation.
fn read(map: ConfigMap) -> Option<(String, String)> {
    let mut data = map.data?;
    Some((data.remove(CA)?, data.remove(NAMES).unwrap_or_default()))
}

impl Trust {
    fn new(certificate: &Arc<Certificate>, from: Option<(String, String)>) -> Result<Self, BadTrust> {
        let builder = ServerConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?;
        let (builder, names) = match &from {
            None => (builder.with_no_client_auth(), Vec::new()),
            Some((roots, names)) => {
                let names = if names.trim().is_empty() { Vec::new() } else { serde_json::from_str(names)? };
                (builder.with_client_cert_verifier(verifier(roots)?), names)
            }
        };
        let mut tls = builder.with_cert_resolver(certificate.clone());
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { from, names, tls: Arc::new(tls), over: CancellationToken::new() })
    }
}

/// Whoever shows no certificate gets an answer that says so; one by another root is refused at the handshake.
fn verifier(pem: &str) -> Result<Arc<dyn ClientCertVerifier>, BadTrust> {
    let bad = |error: &dyn std::fmt::Display| BadTrust::Ca(error.to_string());
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(root.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto_provider());
    builder.allow_unauthenticated().build().map_err(|error| bad(&error))
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests;
