//! Which tier of a backend's endpoints is called: local ones before those of other meshes, or whatever order their priorities say.
//!
//! The tier in use is the best that can serve. It is left at once when none of its endpoints can: all are barred or ejected, or there
//! are none. A better one is gone back to only after it has been able to serve for [`HOLD`]; so that this can be known without
//! traffic on it, it gets a request now and then ([`PROBE_EVERY`]), which costs nobody anything: what a tier can't take goes to
//! the next within the same request ([`for_attempt`]).

use std::time::Duration;

/// How long a better tier must have been able to serve before it is gone back to. A period of Kubernetes' readiness probes (10 s
/// where nothing else is said): a pod that runs but isn't well is known to its kubelet by then.
pub const HOLD: Duration = Duration::from_secs(10);
/// How often a request is sent to a better tier to see how it is; where only those are at hand that perhaps can't be sent again when
/// it is in vain, each [`HOLD`].
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What a tier can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// All of its endpoints are barred or ejected.
    None,
    /// Some may be called again, but none has answered since.
    InDoubt,
    /// Some endpoint is in good standing.
    Full,
}

/// Where a request goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// To the tier in use.
    Use(usize),
    /// To a better one, to see how it is.
    Probe(usize),
}

impl First {
    /// The tier, by its index.
    pub fn tier(self) -> usize {
        let (Self::Use(tier) | Self::Probe(tier)) = self;
        tier
    }
}

/// The tier in use of one backend. Tiers are told apart by their priority: they come and go with their endpoints.
#[derive(Debug, Clone, Default)]
pub struct Failover {
    used: Option<u8>,
    /// Better tiers that can serve, and since when.
    able: Vec<(u8, Duration)>,
    /// When a better tier was probed last, or became one.
    probed: Duration,
}

impl Failover {
    /// There is one tier, of this priority: it is in use without a choice.
    pub fn only(&mut self, priority: u8) {
        self.used = Some(priority);
        self.able.clear();
    }

    /// Of tiers with these priorities, in their order, the one that a request goes to first; `None` when there are no tiers.
    /// `probe`: it may be a probe, if there was none for so long. `now` is the time since an epoch of the caller's choice.
    pub fn first(
        &mut self,
        now: Duration,
        priorities: &[u8],
        probe: Option<Duration>,
        ability: impl Fn(usize) -> Ability,
    ) -> Option<First> {
        let used = self.settle(now, priorities, &ability)?;
        if used > 0
            && probe.is_some_and(|pause| now.saturating_sub(self.probed) >= pause)
            && let Some(better) = (0..used).find(|tier| ability(*tier) > Ability::None)
        {
            self.probed = now;
            return Some(First::Probe(better));
        }
        Some(First::Use(used))
    }

    /// The tier in use from now on.
    fn settle(&mut self, now: Duration, priorities: &[u8], ability: &impl Fn(usize) -> Ability) -> Option<usize> {
        let held = self.used.and_then(|used| priorities.iter().position(|priority| *priority == used));
        let held = held.filter(|tier| ability(*tier) == Ability::Full);
        let tier = match held {
            Some(held) => self.better(now, priorities, held, ability).unwrap_or(held),
            // The first of those that can do most.
            None => (0..priorities.len()).rev().max_by_key(|tier| ability(*tier))?,
        };
        if held != Some(tier) {
            self.able.clear();
            self.probed = now;
        }
        self.used = priorities.get(tier).copied();
        Some(tier)
    }

    /// The best tier that has been able to serve for long enough, of those before the one in use.
    fn better(
        &mut self,
        now: Duration,
        priorities: &[u8],
        used: usize,
        ability: &impl Fn(usize) -> Ability,
    ) -> Option<usize> {
        if used == 0 {
            return None;
        }
        let before = priorities.iter().take(used).enumerate();
        let able = |(tier, priority): (usize, &u8)| (ability(tier) == Ability::Full).then_some((tier, *priority));
        self.able.retain(|(known, _)| before.clone().filter_map(able).any(|(_, priority)| priority == *known));
        let mut long = None;
        for (tier, priority) in before.filter_map(able) {
            let since = self.able.iter().find(|(known, _)| *known == priority).map(|(_, since)| *since);
            match since {
                Some(since) if now.saturating_sub(since) >= HOLD => long = long.or(Some(tier)),
                Some(_) => {}
                None => self.able.push((priority, now)),
            }
        }
        long
    }
}

/// What a tier has for one more attempt at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// An endpoint that wasn't tried and is in no way barred.
    pub open: bool,
    /// An endpoint of it was tried.
    pub tried: bool,
}

/// The tier for the next attempt at a request that goes to `first` at first. `left`: attempts that may still be made. Tiers that
/// weren't tried yet get one each before they run out. `None`: no tier has an endpoint that isn't barred.
pub fn for_attempt(first: usize, tiers: usize, left: u32, offer: impl Fn(usize) -> Offer) -> Option<usize> {
    let order = || std::iter::once(first).chain((0..tiers).filter(|tier| *tier != first));
    let fresh = |tier: &usize| offer(*tier) == Offer { open: true, tried: false };
    let untried = order().filter(fresh).count();
    if u32::try_from(untried).is_ok_and(|untried| untried > 0 && untried >= left) {
        return order().find(fresh);
    }
    order().find(|tier| offer(*tier).open)
}

#[cfg(test)]
mod tests;
