//! The workload's certificate: the first by its ServiceAccount token, the next ones in time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use isthmus_api::control::v1::{CertifyRequest, CertifyResponse, identity_client::IdentityClient};
use isthmus_core::id::TrustDomain;
use isthmus_identity::{Bundle, Keypair, Svid};
use isthmus_runtime::{
    backoff::{Backoff, jitter},
    readiness,
};
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;

use super::connect;
use crate::{
    limits::{CERTIFY_TIME, RECONNECT_FIRST, RECONNECT_LONGEST},
    worker::Shared,
};

/// Why no certificate was had. None of them says anything of the token.
#[derive(Debug, thiserror::Error)]
enum CertifyError {
    #[error("token file {path}: {source}")]
    Token { path: String, source: std::io::Error },
    #[error("the controller can't be reached: {}", chain(.0))]
    Unreachable(#[from] tonic::transport::Error),
    #[error("the controller refused: {0}")]
    Refused(#[from] tonic::Status),
    #[error(transparent)]
    Key(#[from] isthmus_identity::KeypairError),
    #[error("the controller sent a certificate that can't be used: {0}")]
    Certificate(#[from] isthmus_identity::BadSvid),
    #[error("the controller sent roots that can't be used: {0}")]
    Roots(#[from] isthmus_identity::BadBundle),
    #[error("the controller sent a trust domain that can't be used: {0}")]
    TrustDomain(#[from] isthmus_core::id::InvalidId),
    #[error("the controller took too long")]
    Timeout,
}

/// An error with its causes, which tonic's own text leaves out.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Gets a certificate and renews it, forever. Says so by `certified` each time.
pub(super) async fn keep(shared: &Arc<Shared>, pending: readiness::Pending, certified: &Notify) {
    let backoff = Backoff { base: RECONNECT_FIRST, max: RECONNECT_LONGEST };
    let mut pending = Some(pending);
    let mut attempt = 0;
    loop {
        let asked = tokio::time::timeout(CERTIFY_TIME, certify(shared, pending.is_some()));
        let outcome = asked.await.unwrap_or(Err(CertifyError::Timeout));
        let counter = &shared.metrics.certificate_renewals;
        let wait = match outcome {
            Ok(svid) => {
                counter.with_label_values(&["ok"]).inc();
                tracing::info!(id = %svid.id(), not_after = ?svid.not_after(), "certified");
                let expiry = svid.not_after().duration_since(UNIX_EPOCH).unwrap_or_default();
                shared.metrics.certificate_expiry.set(i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX));
                let wait = until_renewal(&svid, SystemTime::now());
                shared.tls.svid().set(svid);
                pending = None;
                attempt = 0;
                certified.notify_one();
                wait
            }
            Err(error) => {
                counter.with_label_values(&["failed"]).inc();
                tracing::warn!(%error, "no certificate: trying again");
                let wait = backoff.delay(attempt, jitter());
                attempt = attempt.saturating_add(1);
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Until two thirds of the life are over; but at least a third of what is left, so that a clock that is ahead makes no storm.
fn until_renewal(svid: &Svid, now: SystemTime) -> Duration {
    let left = svid.not_after().duration_since(now).unwrap_or_default();
    svid.renew_at(jitter()).duration_since(now).unwrap_or_default().max(left / 3).max(RECONNECT_FIRST)
}

async fn certify(shared: &Arc<Shared>, first: bool) -> Result<Svid, CertifyError> {
    let path = &shared.config.token_file;
    let token = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| CertifyError::Token { path: path.display().to_string(), source })?;
    let keypair = Keypair::generate()?;
    let request = CertifyRequest { csr: keypair.csr()?.into(), token: token.trim().to_owned() };
    let mut client = IdentityClient::new(connect::channel(shared).await?);
    let CertifyResponse { chain, bundles, .. } = client.certify(request).await?.into_inner();
    let svid = Svid::new(chain.into_iter().map(certificate).collect(), &keypair)?;
    // Later changes of the roots come by the session, in order.
    if first && !bundles.is_empty() {
        shared.tls.roots().replace(&read_bundles(bundles)?)?;
    }
    Ok(svid)
}

fn read_bundles(bundles: Vec<isthmus_api::control::v1::Bundle>) -> Result<Vec<Bundle>, isthmus_core::id::InvalidId> {
    bundles.into_iter().map(read_bundle).collect()
}

/// The roots of one trust domain, as they came.
pub(super) fn read_bundle(bundle: isthmus_api::control::v1::Bundle) -> Result<Bundle, isthmus_core::id::InvalidId> {
    Ok(Bundle {
        trust_domain: TrustDomain::new(&bundle.trust_domain)?,
        roots: bundle.roots.into_iter().map(certificate).collect(),
        sequence: bundle.sequence,
    })
}

fn certificate(der: bytes::Bytes) -> CertificateDer<'static> {
    Vec::from(der).into()
}
