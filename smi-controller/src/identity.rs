//! The controller's own certificate.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::id::SpiffeId;
use isthmus_identity::{Authority, Keypair, Svid, SvidCell};
use isthmus_runtime::backoff::jitter;
use tokio_util::sync::CancellationToken;

use crate::run::Error;

/// Pause after a failure to renew.
const RETRY: Duration = Duration::from_secs(60);
/// Longest sleep: the wall clock may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Signs a certificate for ourselves.
pub(crate) fn issue(authority: &Authority, id: &SpiffeId, lifetime: Duration) -> Result<Svid, Error> {
    let keypair = Keypair::generate().map_err(Error::OwnKey)?;
    let csr = keypair.csr().map_err(Error::OwnKey)?;
    let issued = authority.issue(&csr, id, SystemTime::now(), lifetime).map_err(Error::OwnCertificate)?;
    Svid::new(issued.chain, &keypair).map_err(Error::OwnSvid)
}

/// Renews it in time, until `stop`.
pub(crate) async fn renew(
    authority: Arc<Authority>,
    cell: Arc<SvidCell>,
    id: SpiffeId,
    lifetime: Duration,
    stop: CancellationToken,
) {
    let mut due = cell.get().map_or(SystemTime::now(), |svid| svid.renew_at(jitter()));
    loop {
        let wait = due.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep(wait.min(LOOK_AGAIN)) => {}
            () = stop.cancelled() => return,
        }
        if SystemTime::now() < due {
            continue;
        }
        due = match issue(&authority, &id, lifetime) {
            Ok(svid) => {
                let due = svid.renew_at(jitter());
                cell.set(svid);
                tracing::info!(%id, "renewed the controller's own certificate");
                due
            }
            Err(error) => {
                tracing::error!(%error, "couldn't renew the controller's own certificate");
                SystemTime::now() + RETRY
            }
        };
    }
}
