//! What several replicas of the controller know of each other's proxies.
//!
//! Proxies are spread over all replicas, and what is said of all of them (`Programmed`, `TrustPropagated`, the receipt of a
//! revocation, whether a root may sign) is a sum. So each replica follows every other: it dials the pod, in the controller's
//! own name, and hears what that one counts among the proxies connected to it. Who hasn't been heard is waited for.

mod follow;
mod living;
mod observe;
mod reporter;
mod sight;
mod tap;
mod wire;

pub(crate) use follow::{Parts, follow_others};
pub(crate) use observe::Together;
pub(crate) use reporter::Reporter;
pub(crate) use tap::{Everywhere, TappingAll};

/// For the test that holds the documentation.
#[cfg(test)]
pub(crate) use observe::{LIMIT, MAX_OBSERVATIONS};
#[cfg(test)]
mod tests;
