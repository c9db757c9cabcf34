//! The workload's certificate: the first by its ServiceAccount token, the next ones in time.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use isthmus_api::control::v1::{CertifyRequest, CertifyResponse, identity_client::IdentityClient};
use isthmus_core::id::TrustDomain;
use isthmus_identity::{
    Bundle, Keypair, Svid,
    renewal::{self, Skew},
};
use isthmus_runtime::{backoff::jitter, error_text::with_causes, readiness};
use rustls::pki_types::CertificateDer;

use super::{Link, connect, leaf::Leaf, saved};
use crate::limits::CERTIFY_TIME;

/// Longest sleep before the wall clock is looked at again: it may have been set, and doesn't stand still while the machine sleeps.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Why no certificate was had. None of them says anything of the token.
#[derive(Debug, thiserror::Error)]
enum CertifyError {
    #[error("token file {path}: {source}")]
    Token { path: String, source: std::io::Error },
    #[error("the controller can't be reached: {}", with_causes(.0))]
    Unreachable(#[from] tonic::transport::Error),
    #[error("the controller refused: {0}")]
    Refused(#[from] tonic::Status),
    #[error(transparent)]
    Key(#[from] isthmus_identity::KeypairError),
    #[error("the controller sent a certificate that can't be used: {0}")]
    Certificate(#[from] isthmus_identity::BadSvid),
    #[error("the new certificate is over already: {0}")]
    Over(String),
    #[error("the controller sent roots that can't be used: {0}")]
    Roots(#[from] isthmus_identity::BadBundle),
    #[error("the controller sent a trust domain that can't be used: {0}")]
    TrustDomain(#[from] isthmus_core::id::InvalidId),
    #[error("the controller took too long")]
    Timeout,
}

/// Gets a certificate and renews it, forever.
pub(super) async fn keep(link: &Arc<Link>, pending: readiness::Pending, leaf: &Leaf) {
    let mut pending = Some(pending);
    // In a row: tries that brought nothing, or a certificate of a root that no longer signs.
    let mut failures = 0;
    loop {
        let asked = tokio::time::timeout(CERTIFY_TIME, certify(link, pending.is_some()));
        let outcome = asked.await.unwrap_or(Err(CertifyError::Timeout));
        let counter = &link.metrics.certificate_renewals;
        let pause = match outcome {
            Ok(svid) => {
                counter.with_label_values(&["ok"]).inc();
                let pause = take(link, svid);
                pending = None;
                if leaf.renewed(link) {
                    failures = 0;
                    pause
                } else {
                    // A replica of the controller that hasn't learnt yet which root signs.
                    failures += 1;
                    renewal::after_failure(failures, left(link), jitter()).min(pause)
                }
            }
            Err(error) => {
                counter.with_label_values(&["failed"]).inc();
                failures += 1;
                complain(&error, left(link));
                renewal::after_failure(failures, left(link), jitter())
            }
        };
        wait(link, pause, failures > 0, leaf).await;
    }
}

/// Puts a certificate into use; the pause until the next.
fn take(link: &Link, svid: Svid) -> Duration {
    let now = SystemTime::now();
    let skew = Skew::of(&svid, now);
    link.metrics.clock_skew.set(skew.seconds());
    if let Some(complaint) = skew.complaint() {
        tracing::warn!("{complaint}");
    }
    tracing::info!(id = %svid.id(), not_after = ?svid.not_after(), "certified");
    let expiry = svid.not_after().duration_since(UNIX_EPOCH).unwrap_or_default();
    link.metrics.certificate_expiry.set(i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX));
    let pause = renewal::after_success(&svid, now, jitter());
    link.tls.svid().set(svid);
    pause
}

/// What is left of the certificate in hand; `None` without one.
fn left(link: &Link) -> Option<Duration> {
    link.tls.svid().get().map(|svid| svid.not_after().duration_since(SystemTime::now()).unwrap_or_default())
}

/// Tells before it happens, and what happens.
fn complain(error: &CertifyError, left: Option<Duration>) {
    match left {
        Some(Duration::ZERO) => tracing::error!(
            %error,
            "the certificate has expired: new mesh TLS connections fail, open ones and plaintext that is allowed go on; trying again"
        ),
        Some(left) => {
            tracing::warn!(%error, expires_in = ?Duration::from_secs(left.as_secs()), "no new certificate: trying again")
        }
        None => tracing::warn!(%error, "no certificate: trying again"),
    }
}

/// Waits for the pause to pass. Another signing root, or for one who has failed the controller's return, cut it short.
async fn wait(link: &Link, pause: Duration, failing: bool, leaf: &Leaf) {
    let cut_short = async {
        tokio::select! {
            () = leaf.turned() => {}
            () = leaf.reachable(), if failing => {}
        }
        tokio::time::sleep(renewal::spread(left(link).unwrap_or_default(), jitter())).await;
    };
    sleep_unless(pause, cut_short).await;
}

/// Sleeps until the pause has passed by either clock, or `cut_short` has ended. That one lives through every look at the clock: what it
/// was told once isn't told again.
async fn sleep_unless(pause: Duration, cut_short: impl Future<Output = ()>) {
    let mut cut_short = pin!(cut_short);
    let (began, due) = (Instant::now(), SystemTime::now().checked_add(pause));
    loop {
        let rest = pause.saturating_sub(began.elapsed());
        let by_wall = due.map_or(rest, |due| due.duration_since(SystemTime::now()).unwrap_or_default());
        let rest = rest.min(by_wall);
        if rest.is_zero() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(rest.min(LOOK_AGAIN)) => {}
            () = &mut cut_short => return,
        }
    }
}

async fn certify(link: &Arc<Link>, first: bool) -> Result<Svid, CertifyError> {
    let path = &link.config.token_file;
    let token = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| CertifyError::Token { path: path.display().to_string(), source })?;
    let keypair = Keypair::generate()?;
    let request = CertifyRequest { csr: keypair.csr()?.into(), token: token.trim().to_owned() };
    let mut client = IdentityClient::new(connect::channel(link).await?);
    let CertifyResponse { chain, bundles, .. } = client.certify(request).await?.into_inner();
    let svid = Svid::new(chain.into_iter().map(certificate).collect(), &keypair)?;
    let now = SystemTime::now();
    if svid.not_after() <= now {
        return Err(CertifyError::Over(
            Skew::of(&svid, now).complaint().unwrap_or_else(|| "it is too short".to_owned()),
        ));
    }
    trust(link, &read_bundles(bundles)?, first).await?;
    Ok(svid)
}

/// Roots come by the session, in order. These matter for the first certificate, and for a proxy that comes back from so far that
/// it doesn't hold the roots which its new certificate stands on. Older ones are of a replica that will learn of the newer.
async fn trust(link: &Link, bundles: &[Bundle], first: bool) -> Result<(), CertifyError> {
    let domain = &link.config.trust_domain;
    let given = bundles.iter().find(|bundle| bundle.trust_domain == *domain).map(|bundle| bundle.sequence);
    let held = link.tls.roots().bundle(domain).map(|bundle| bundle.sequence);
    if given > held || (first && given.is_some() && given == held) {
        link.tls.roots().advance(bundles)?;
        saved::keep(&link.config, link.tls.roots()).await;
    }
    Ok(())
}

fn read_bundles(bundles: Vec<isthmus_api::control::v1::Bundle>) -> Result<Vec<Bundle>, isthmus_core::id::InvalidId> {
    bundles.into_iter().map(read_bundle).collect()
}

/// The roots of one trust domain, as they came.
pub fn read_bundle(bundle: isthmus_api::control::v1::Bundle) -> Result<Bundle, isthmus_core::id::InvalidId> {
    Ok(Bundle {
        trust_domain: TrustDomain::new(&bundle.trust_domain)?,
        roots: bundle.roots.into_iter().map(certificate).collect(),
        sequence: bundle.sequence,
    })
}

fn certificate(der: bytes::Bytes) -> CertificateDer<'static> {
    Vec::from(der).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_root_that_turns_shortly_before_a_look_at_the_clock_is_followed() {
        let began = tokio::time::Instant::now();
        let turned = async {
            tokio::time::sleep(LOOK_AGAIN - Duration::from_secs(5)).await;
            // Told once; and then the others' turn is waited for.
            tokio::time::sleep(Duration::from_secs(20)).await;
        };
        sleep_unless(Duration::from_secs(16 * 3600), turned).await;
        assert_eq!(began.elapsed(), LOOK_AGAIN + Duration::from_secs(15));
    }
}
