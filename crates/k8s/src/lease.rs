//! Who writes: a `coordination.k8s.io/v1` Lease that one replica holds at a time.
//!
//! A holder renews; another replica takes over when it hasn't seen the record change for a whole lease duration by its
//! own clock (clocks of different machines are never compared). Every write carries the `resourceVersion` that it was
//! decided on, so that two replicas can't both win.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long a silent holder is believed in.
const DURATION: Duration = Duration::from_secs(15);
/// How often the holder renews, and the others look.
const PERIOD: Duration = Duration::from_secs(3);
/// Without a renewal for this long, a holder stops believing in itself: well before the others take over.
const DEADLINE: Duration = Duration::from_secs(10);

/// Which lease, and who wants it.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Unique per replica: its pod's name.
    pub holder: String,
}

/// The receiver says whether this replica holds the lease now. The future tries for it until `stop`, then gives it up;
/// await its end, or the next replica has to wait until the lease has run out.
pub fn contend(
    client: Client,
    claim: Claim,
    stop: CancellationToken,
) -> (watch::Receiver<bool>, impl Future<Output = ()> + Send) {
    let (held, receiver) = watch::channel(false);
    let contender = async move {
        let api: Api<Lease> = Api::namespaced(client, &claim.namespace);
        let mut sight = Sight::default();
        let mut renewed: Option<Instant> = None;
        loop {
            match attempt(&api, &claim, &mut sight).await {
                Ok(true) => renewed = Some(Instant::now()),
                Ok(false) => renewed = None,
                Err(error) => tracing::debug!(%error, lease = claim.name, "couldn't renew or take the lease"),
            }
            let now_held = renewed.is_some_and(|at| at.elapsed() < DEADLINE);
            if held.send_if_modified(|held| std::mem::replace(held, now_held) != now_held) {
                tracing::info!(lease = claim.name, holder = claim.holder, held = now_held, "lease changed hands");
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => break,
            }
        }
        if held.send_replace(false) {
            give_up(&api, &claim).await;
        }
    };
    (receiver, contender)
}

/// The record as last seen, and since when it hasn't changed.
#[derive(Debug, Default)]
struct Sight {
    record: Option<(String, Instant)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Create,
    /// Write over what was read.
    Write,
    Wait,
}

impl Sight {
    fn decide(&mut self, lease: Option<&Lease>, me: &str, now: Instant) -> Step {
        let Some(lease) = lease else {
            self.record = None;
            return Step::Create;
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.record {
            Some((seen, since)) if *seen == version => *since,
            _ => now,
        };
        self.record = Some((version, since));
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|s| s.holder_identity.as_deref()).unwrap_or_default();
        let seconds = spec.and_then(|s| s.lease_duration_seconds).and_then(|s| u64::try_from(s).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs);
        if holder == me || holder.is_empty() || now.duration_since(since) >= duration {
            Step::Write
        } else {
            Step::Wait
        }
    }
}

/// One try. `Ok(true)`: held.
async fn attempt(api: &Api<Lease>, claim: &Claim, sight: &mut Sight) -> Result<bool, kube::Error> {
    let found = api.get_opt(&claim.name).await?;
    let written = match sight.decide(found.as_ref(), &claim.holder, Instant::now()) {
        Step::Wait => return Ok(false),
        Step::Create => api.create(&PostParams::default(), &record(claim, None)).await,
        Step::Write => api.replace(&claim.name, &PostParams::default(), &record(claim, found.as_ref())).await,
    };
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn record(claim: &Claim, found: Option<&Lease>) -> Lease {
    let now = MicroTime(Timestamp::now());
    let old = found.and_then(|lease| lease.spec.clone()).unwrap_or_default();
    let same = old.holder_identity.as_deref() == Some(claim.holder.as_str());
    let transitions = old.lease_transitions.unwrap_or_default();
    Lease {
        metadata: ObjectMeta {
            name: Some(claim.name.clone()),
            namespace: Some(claim.namespace.clone()),
            resource_version: found.and_then(|lease| lease.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(claim.holder.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: old.acquire_time.filter(|_| same).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if same { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }),
    }
}

/// Lets the next replica in at once. If it fails, that one waits for the lease to run out.
async fn give_up(api: &Api<Lease>, claim: &Claim) {
    let Ok(Some(mut lease)) = api.get_opt(&claim.name).await else { return };
    let Some(spec) = lease.spec.as_mut().filter(|s| s.holder_identity.as_deref() == Some(claim.holder.as_str())) else {
        return;
    };
    spec.holder_identity = None;
    if let Err(error) = api.replace(&claim.name, &PostParams::default(), &lease).await {
        tracing::debug!(%error, lease = claim.name, "couldn't give the lease up");
    }
}

#[cfg(test)]
mod tests;
