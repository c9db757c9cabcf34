//! The handle, and its limits.

use std::sync::Arc;
use std::time::Duration;

use crate::{Dial, Services};

/// Bounds on what others may cost us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a webhook's answer. Default 16 MiB: a conversion answers for a whole list.
    pub answer_bytes: usize,
    /// Time for the TCP connection and the TLS handshake. Default 10 s.
    pub connect: Duration,
    /// Time for one conversion. Default 30 s.
    pub conversion: Duration,
    /// Time until an aggregated API or a kubelet sends the head of its answer; the body may take as long as it likes.
    /// Default 60 s.
    pub head: Duration,
    /// Time for one availability probe of an aggregated API. Default 5 s.
    pub probe: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer_bytes: 16 * 1024 * 1024,
            connect: Duration::from_secs(10),
            conversion: Duration::from_secs(30),
            head: Duration::from_secs(60),
            probe: Duration::from_secs(5),
        }
    }
}

/// Calls webhooks, aggregated APIs and kubelets. Cheap to clone.
#[derive(Clone)]
pub struct Callout {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) services: Arc<dyn Services>,
    pub(crate) limits: Arc<Limits>,
}

impl Callout {
    /// A handle that connects through `dial` and finds Services through `services`.
    pub fn new(dial: Arc<dyn Dial>, services: Arc<dyn Services>, limits: Limits) -> Self {
        Self { dial, services, limits: Arc::new(limits) }
    }
}
