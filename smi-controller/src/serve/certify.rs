//! Certificates for workloads: who asks is known from its token alone.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use isthmus_api::control::v1::{CertifyRequest, CertifyResponse, identity_server};
use isthmus_core::id::ObjectName;
use isthmus_identity::{AuthorityError, MAX_CSR};
use parking_lot::Mutex;
use prometheus::IntCounterVec;
use tokio::{sync::Semaphore, time::Instant};
use tonic::{Request, Response, Status};

use super::{Hub, TokenError, Tokens, resource::bundle};
use crate::ca::SharedRoots;

/// Longest token in bytes.
const MAX_TOKEN: usize = 16 << 10;
/// Largest request in bytes.
const MAX_REQUEST: usize = MAX_CSR + MAX_TOKEN + 1024;
/// Most requests worked on at a time.
const MAX_CONCURRENT: usize = 64;
/// Certificates that a pod may ask for at once…
const BURST: u32 = 10;
/// …and how long one more takes to be allowed: half a minute, or this part of a leaf's life when that is less, for then it
/// must be renewed more often.
const REFILL: Duration = Duration::from_secs(30);
const REFILL_SHARE: u32 = 6;

/// The service.
#[derive(Debug)]
pub(crate) struct Certifier<T> {
    hub: Arc<Hub>,
    tokens: T,
    roots: SharedRoots,
    lifetime: Duration,
    turns: Semaphore,
    spent: Mutex<HashMap<ObjectName, Allowance>>,
    counter: IntCounterVec,
}

impl<T: Tokens> Certifier<T> {
    /// `counter` counts by result.
    pub(crate) fn server(
        hub: Arc<Hub>,
        tokens: T,
        roots: SharedRoots,
        lifetime: Duration,
        counter: IntCounterVec,
    ) -> identity_server::IdentityServer<Self> {
        let turns = Semaphore::new(MAX_CONCURRENT);
        identity_server::IdentityServer::new(Self {
            hub,
            tokens,
            roots,
            lifetime,
            turns,
            spent: Mutex::default(),
            counter,
        })
        .max_decoding_message_size(MAX_REQUEST)
    }
}

#[tonic::async_trait]
impl<T: Tokens> identity_server::Identity for Certifier<T> {
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let result = self.answer(request.into_inner()).await;
        self.counter.with_label_values(&[if result.is_ok() { "issued" } else { "refused" }]).inc();
        result.map(Response::new)
    }
}

impl<T: Tokens> Certifier<T> {
    async fn answer(&self, request: CertifyRequest) -> Result<CertifyResponse, Status> {
        let CertifyRequest { csr, token } = request;
        if csr.len() > MAX_CSR || token.len() > MAX_TOKEN {
            return Err(Status::invalid_argument(format!("csr: at most {MAX_CSR} bytes; token: at most {MAX_TOKEN}")));
        }
        let _turn = self.turns.try_acquire().map_err(|_| Status::resource_exhausted("too many requests at a time"))?;
        let speaker = self.tokens.review(token).await.map_err(|error| {
            tracing::info!(%error, "certificate refused");
            match error {
                TokenError::Refused(_) | TokenError::Unfit(_) => Status::unauthenticated(error.to_string()),
                TokenError::Unavailable(_) => Status::unavailable(error.to_string()),
            }
        })?;
        if !self.may(&speaker.pod, Instant::now()) {
            return Err(Status::resource_exhausted(format!("pod {} has asked too often", speaker.pod)));
        }
        // The token outlives its pod by minutes: the pod itself must still be there, and be the same one.
        let pod = self.hub.pod(&speaker.pod).await;
        let known = pod.filter(|pod| *pod.uid == *speaker.pod_uid && *pod.account == *speaker.account.name);
        let Some(pod) = known else {
            return Err(Status::unavailable(format!("pod {} is not known (yet)", speaker.pod)));
        };
        let id = self.hub.with(|registry| registry.index().settings.identity(&speaker.account));
        let id =
            id.ok_or_else(|| Status::invalid_argument(format!("{} can't stand in a SPIFFE ID", speaker.account)))?;
        let authority = self.roots.borrow().signer().clone();
        let issued = authority.issue_for(&csr, &id, pod.owned.as_ref(), SystemTime::now(), self.lifetime);
        let issued = issued.map_err(|error| match error {
            AuthorityError::BadRequest(_) => Status::invalid_argument(error.to_string()),
            _ => {
                tracing::error!(%error, "couldn't sign a certificate");
                Status::internal("couldn't sign")
            }
        })?;
        tracing::info!(%id, pod = %speaker.pod, "certificate issued");
        Ok(CertifyResponse {
            chain: issued.chain.iter().map(|cert| cert.to_vec().into()).collect(),
            not_before: unix(issued.not_before),
            not_after: unix(issued.not_after),
            bundles: self.hub.with(|registry| registry.bundles().iter().map(bundle).collect()),
        })
    }
}

/// A bucket of requests that refills with time.
#[derive(Debug)]
struct Allowance {
    left: u32,
    since: Instant,
}

impl<T> Certifier<T> {
    fn may(&self, pod: &ObjectName, now: Instant) -> bool {
        let mut spent = self.spent.lock();
        // A full bucket needs no memory.
        let refill = refill(self.lifetime);
        spent.retain(|_, allowance| allowance.refilled(now, refill) < BURST);
        let allowance = spent.entry(pod.clone()).or_insert(Allowance { left: BURST, since: now });
        allowance.take(now, refill)
    }
}

/// How long one more certificate takes to be allowed.
fn refill(lifetime: Duration) -> Duration {
    REFILL.min(lifetime / REFILL_SHARE)
}

impl Allowance {
    fn refilled(&self, now: Instant, refill: Duration) -> u32 {
        let gained = now.duration_since(self.since).as_millis() / refill.as_millis().max(1);
        u32::try_from(gained).unwrap_or(u32::MAX).saturating_add(self.left).min(BURST)
    }

    fn take(&mut self, now: Instant, refill: Duration) -> bool {
        let left = self.refilled(now, refill);
        if left != self.left {
            *self = Self { left, since: now };
        }
        self.left = left.saturating_sub(1);
        left > 0
    }
}

fn unix(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pod_may_ask_in_a_burst_and_then_at_a_slow_pace() {
        let start = Instant::now();
        let mut allowance = Allowance { left: BURST, since: start };
        assert!((0..BURST).all(|_| allowance.take(start, REFILL)));
        assert!(!allowance.take(start, REFILL));
        assert!(allowance.take(start + REFILL, REFILL));
        assert!(!allowance.take(start + REFILL, REFILL));
        assert_eq!(allowance.refilled(start + REFILL * 1000, REFILL), BURST);
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_of_seconds_may_be_renewed_for_as_long_as_they_are_needed() {
        let (start, lifetime) = (Instant::now(), Duration::from_secs(5));
        let mut allowance = Allowance { left: BURST, since: start };
        // At two thirds of life, less the jitter.
        let renewals = (0..10_000_u32).map(|n| start + lifetime.mul_f64(0.61) * n);
        assert!(renewals.into_iter().all(|now| allowance.take(now, refill(lifetime))));
        assert_eq!(refill(Duration::from_secs(24 * 3600)), REFILL);
    }
}
