//! The controller's own certificate.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::id::SpiffeId;
use isthmus_identity::{Authority, Keypair, RootId, Svid, SvidCell};
use isthmus_runtime::backoff::jitter;
use tokio_util::sync::CancellationToken;

use crate::{
    ca::{Roots, SharedRoots},
    run::Error,
};

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

/// Renews it in time, and whenever another root is chosen to sign it, until `stop`. `by` signed the one in the cell.
pub(crate) async fn renew(
    mut roots: SharedRoots,
    choose: impl Fn(&Roots) -> Arc<Authority>,
    cell: Arc<SvidCell>,
    mut by: RootId,
    id: SpiffeId,
    lifetime: Duration,
    stop: CancellationToken,
) {
    let mut due = cell.get().map_or(SystemTime::now(), |svid| svid.renew_at(jitter()));
    loop {
        let wait = due.duration_since(SystemTime::now()).unwrap_or_default();
        let authority = choose(&roots.borrow_and_update());
        if authority.root() == by && !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait.min(LOOK_AGAIN)) => {}
                Ok(()) = roots.changed() => {}
                () = stop.cancelled() => return,
            }
            continue;
        }
        by = authority.root();
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
