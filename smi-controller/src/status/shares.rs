//! What splits have really dealt, measured while this replica holds the lease. What is kept of it changes only when it says
//! something else, so that a status isn't written for each request.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use isthmus_core::{
    id::ObjectName,
    shares::{self, Share},
};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    compile::{self, Checked, Reader},
    fault::ObjectRef,
    index::Index,
    serve::Hub,
    telemetry::{Direction, Keep, Query, Source, Totals, shares as sums},
};

/// How often it is looked at.
const PERIOD: Duration = Duration::from_secs(10);
/// The windows that are asked for, and how much longer a split must have been in effect: proxies tell every 2 s, and a window
/// begins within half a slot of the store's.
const WINDOWS: [(u64, u64); 5] = [(3600, 40), (600, 15), (120, 8), (30, 8), (10, 8)];
/// A share that moves by as much is told anew.
const MOVED: f64 = 0.02;
/// Of fewer requests shares say little.
const TELLING: u64 = 100;

/// What was measured of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Measured {
    /// Some backend takes part at some of the root's ports alone, and what is counted doesn't tell ports apart.
    Incomparable,
    /// By backend.
    Shares(Vec<(ObjectName, Share)>),
}

/// A generation that is in effect everywhere.
#[derive(Debug)]
struct Seen {
    uid: Arc<str>,
    generation: i64,
    since: Instant,
    measured: Option<Measured>,
}

/// All splits that are in effect.
pub(crate) struct Shares {
    hub: Arc<Hub>,
    source: Arc<dyn Source>,
    seen: Mutex<BTreeMap<ObjectRef, Seen>>,
}

impl Shares {
    pub(crate) fn new(hub: Arc<Hub>, source: Arc<dyn Source>) -> Self {
        Self { hub, source, seen: Mutex::default() }
    }

    /// What is known of this writing of a split. `complete`: it is in effect everywhere, from now on at the latest.
    pub(super) fn of(&self, object: &ObjectRef, checked: &Checked, complete: bool, now: Instant) -> Option<Measured> {
        let mut all = self.seen.lock();
        let seen = all.get(object).filter(|seen| seen.uid == checked.uid && seen.generation == checked.generation);
        if let Some(seen) = seen {
            return seen.measured.clone();
        }
        all.remove(object);
        if complete {
            let (uid, generation) = (checked.uid.clone(), checked.generation);
            all.insert(object.clone(), Seen { uid, generation, since: now, measured: None });
        }
        None
    }

    /// A split is gone.
    pub(super) fn forget(&self, object: &ObjectRef) {
        self.seen.lock().remove(object);
    }

    /// Another replica writes, and measures.
    pub(super) fn clear(&self) {
        self.seen.lock().clear();
    }

    /// Works until `stop`.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.look(Instant::now()).await;
        }
    }

    /// Asks once for each window in which some split can be measured.
    async fn look(&self, now: Instant) {
        let mut due: BTreeMap<u64, BTreeSet<ObjectRef>> = BTreeMap::new();
        for (object, seen) in self.seen.lock().iter() {
            if let Some(window) = window(now.saturating_duration_since(seen.since)) {
                due.entry(window).or_default().insert(object.clone());
            }
        }
        for (window, objects) in due {
            let keep = Keep { split: true, ..Keep::default() };
            let window = Duration::from_secs(window);
            let query = Query { window, direction: Direction::Outbound, within: None, keep };
            let answer = match self.source.observe(query).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::warn!(%error, "couldn't measure the shares of splits");
                    continue;
                }
            };
            let sums = sums(&answer.observations);
            self.hub.with(|registry| {
                for object in objects {
                    let measured = measure(registry.index(), &object.name, &sums);
                    if measured.is_some_and(|measured| self.note(&object, measured)) {
                        registry.unsettle(object);
                    }
                }
            });
        }
    }

    /// Does it say something new?
    fn note(&self, object: &ObjectRef, now: Measured) -> bool {
        let mut all = self.seen.lock();
        let Some(seen) = all.get_mut(object) else { return false };
        let new = seen.measured.as_ref().is_none_or(|before| is_new(before, &now));
        if new {
            seen.measured = Some(now);
        }
        new
    }
}

/// The longest window that a split's generation fills by itself.
fn window(age: Duration) -> Option<u64> {
    let fits = |(window, margin): &&(u64, u64)| age.as_secs() >= window + margin;
    WINDOWS.iter().find(fits).map(|(window, _)| *window)
}

fn measure(index: &Index, name: &ObjectName, sums: &BTreeMap<(ObjectName, ObjectName), Totals>) -> Option<Measured> {
    let reader = Reader::new(index);
    let split = reader.split(name)?;
    let Some(backends) = compile::dealt(&reader, split) else { return Some(Measured::Incomparable) };
    let requests = |service: &ObjectName| {
        let totals = sums.get(&(name.clone(), service.clone())).copied().unwrap_or_default();
        (totals.successes + totals.failures).round() as u64
    };
    let share = |backend: &&crate::index::Backend| {
        let service = backend.service.clone();
        (service, Share { weight: backend.weight, requests: requests(&backend.service) })
    };
    Some(Measured::Shares(backends.iter().map(share).collect()))
}

fn is_new(before: &Measured, now: &Measured) -> bool {
    let (Measured::Shares(before), Measured::Shares(now)) = (before, now) else { return before != now };
    let of = |shares: &[(ObjectName, Share)]| -> Vec<Share> { shares.iter().map(|(_, share)| *share).collect() };
    let kind = |shares: &[Share]| std::mem::discriminant(&shares::judge(shares));
    let total = |shares: &[Share]| shares.iter().fold(0_u64, |sum, share| sum.saturating_add(share.requests));
    let names = |shares: &[(ObjectName, Share)]| -> Vec<(ObjectName, u32)> {
        shares.iter().map(|(name, share)| (name.clone(), share.weight)).collect()
    };
    if names(before) != names(now) {
        return true;
    }
    let (before, now) = (of(before), of(now));
    let (fewer, more) = (total(&before).min(total(&now)), total(&before).max(total(&now)));
    let part = |share: &Share, of: u64| share.requests as f64 / (of.max(1)) as f64;
    let moved = before.iter().zip(&now).any(|(b, n)| (part(b, total(&before)) - part(n, total(&now))).abs() >= MOVED);
    kind(&before) != kind(&now) || more >= fewer.saturating_mul(2).max(1) || (moved && fewer >= TELLING)
}

#[cfg(test)]
mod tests;
