//! The controller's client: a process's certificate, and the resources that it subscribes to.
//!
//! [`Link`] is where the controller is, [`Subscriber`] what is wanted of it, and [`run`] keeps both up. The sidecar's own part is
//! in `sidecar`, `subscriptions` and `view`.

mod certify;
mod config;
mod connect;
mod leaf;
mod link;
mod metrics;
pub(crate) mod remote;
mod saved;
mod session;
pub(crate) mod sidecar;
mod subscriber;
mod subscriptions;
mod taken;
pub(crate) mod view;

use std::sync::Arc;

pub use certify::read_bundle;
pub use config::{Config, Invalid};
use isthmus_runtime::readiness;
pub use link::Link;
pub use metrics::Metrics;
pub use subscriber::{Subscriber, Verdict};

/// Keeps identity and subscriptions up to date for as long as the process runs. `identity` is waited for until the first
/// certificate.
pub async fn run<S: Subscriber>(link: Arc<Link>, subscriber: S, identity: readiness::Pending) {
    let leaf = leaf::Leaf::default();
    let session = session::Client::new(Arc::clone(&link), subscriber, &leaf);
    tokio::join!(certify::keep(&link, identity, &leaf), session.keep());
}
