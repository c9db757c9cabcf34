//! The controller's client: this workload's certificate, its policy, and what it calls.

mod certify;
mod connect;
mod leaf;
pub(crate) mod saved;
mod session;
mod subscriptions;
pub(crate) mod view;

use std::sync::Arc;

use isthmus_core::destination::DestinationKey;
use isthmus_runtime::readiness;
use tokio::sync::mpsc;

use crate::worker::{Command, Shared};

/// What the sidecar isn't ready without.
pub(crate) struct Pending {
    pub(crate) identity: readiness::Pending,
    pub(crate) policy: readiness::Pending,
}

/// Keeps identity and configuration up to date for as long as the sidecar runs.
pub(crate) async fn run(
    shared: Arc<Shared>,
    workers: Vec<mpsc::Sender<Command>>,
    wanted: mpsc::Receiver<DestinationKey>,
    pending: Pending,
    view: view::View,
) {
    let leaf = leaf::Leaf::default();
    let session = session::Client::new(Arc::clone(&shared), workers, wanted, pending.policy, view, &leaf);
    tokio::join!(certify::keep(&shared, pending.identity, &leaf), session.keep());
}
