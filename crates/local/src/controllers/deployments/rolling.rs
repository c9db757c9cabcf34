//! How many replicas each set should have now.

use k8s_openapi::api::apps::v1::{DeploymentSpec, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

/// A ReplicaSet as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) is_current: bool,
    /// As asked for.
    pub(super) replicas: i32,
    pub(super) available: i32,
}

impl Set {
    pub(super) fn of(set: &ReplicaSet, current: Option<&str>) -> Self {
        Set {
            is_current: Some(set.name_any().as_str()) == current,
            replicas: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            available: set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0),
        }
    }
}

/// A deployment as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) desired: i32,
    /// So many more may exist for a while.
    pub(super) surge: i32,
    /// So many may be missing for a while.
    pub(super) unavailable: i32,
}

impl Limits {
    pub(super) fn of(spec: &DeploymentSpec) -> Self {
        let desired = spec.replicas.unwrap_or(1).max(0);
        let strategy = spec.strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
            return Limits { desired, surge: 0, unavailable: 0 };
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let surge = resolve(rolling.and_then(|rolling| rolling.max_surge.as_ref()), desired, true);
        let unavailable = resolve(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), desired, false);
        // With neither, nothing could ever move.
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable.min(desired) };
        Limits { desired, surge, unavailable }
    }

    /// The most pods that may exist.
    pub(super) fn most(&self) -> i32 {
        self.desired.saturating_add(self.surge)
    }

    /// The least that must be available.
    pub(super) fn least(&self) -> i32 {
        self.desired.saturating_sub(self.unavailable).max(0)
    }
}

/// A number or a share of `total`, rounded up for surges and down for absences; 25% where there is none.
fn resolve(value: Option<&IntOrString>, total: i32, up: bool) -> i32 {
    let percent = match value {
        Some(IntOrString::Int(number)) => return (*number).max(0),
        Some(IntOrString::String(text)) => text.strip_suffix('%').and_then(|text| text.parse().ok()).unwrap_or(0),
        None => 25_u32,
    };
    let share = i64::from(total).saturating_mul(i64::from(percent)).saturating_add(if up { 99 } else { 0 }) / 100;
    i32::try_from(share).unwrap_or(i32::MAX)
}

fn total(sets: &[Set], count: impl Fn(&Set) -> i32) -> i32 {
    sets.iter().map(count).fold(0, i32::saturating_add)
}

/// The next step of a rolling update. Sets come oldest first; the answer has a number for each.
pub(super) fn step(sets: &[Set], limits: &Limits) -> Vec<i32> {
    let mut next = sets.to_vec();
    scale_current(&mut next, limits);
    if next == sets {
        scale_old(&mut next, limits);
    }
    next.iter().map(|set| set.replicas).collect()
}

/// The new set grows as far as the surge allows, and shrinks at once.
fn scale_current(sets: &mut [Set], limits: &Limits) {
    let room = limits.most().saturating_sub(total(sets, |set| set.replicas)).max(0);
    for set in sets.iter_mut().filter(|set| set.is_current) {
        let grown = set.replicas.saturating_add(room).min(limits.desired);
        set.replicas = if set.replicas > limits.desired { limits.desired } else { grown.max(set.replicas) };
    }
}

/// Old sets shrink as far as enough pods stay available: first by what was not available anyhow.
fn scale_old(sets: &mut [Set], limits: &Limits) {
    let missing = total(sets, |set| if set.is_current { set.replicas.saturating_sub(set.available).max(0) } else { 0 });
    let mut spare = total(sets, |set| set.replicas).saturating_sub(limits.least()).saturating_sub(missing);
    for set in sets.iter_mut().filter(|set| !set.is_current) {
        let broken = set.replicas.saturating_sub(set.available).clamp(0, spare.max(0));
        set.replicas = set.replicas.saturating_sub(broken);
        spare = spare.saturating_sub(broken);
    }
    let mut spare = spare.min(total(sets, |set| set.available).saturating_sub(limits.least()));
    for set in sets.iter_mut().filter(|set| !set.is_current) {
        let down = set.replicas.clamp(0, spare.max(0));
        set.replicas = set.replicas.saturating_sub(down);
        spare = spare.saturating_sub(down);
    }
}

/// Without a rolling update: nothing of the old, then all of the new.
pub(super) fn recreate(sets: &[Set], limits: &Limits, old_are_gone: bool) -> Vec<i32> {
    sets.iter()
        .map(|set| match set.is_current {
            true if old_are_gone => limits.desired,
            true => set.replicas.min(limits.desired),
            false => 0,
        })
        .collect()
}

/// While a deployment is paused only its number of replicas counts: the newest set that has any takes the difference.
pub(super) fn scale_only(sets: &[Set], limits: &Limits) -> Vec<i32> {
    let mut next: Vec<i32> = sets.iter().map(|set| set.replicas).collect();
    let mut surplus = total(sets, |set| set.replicas).saturating_sub(limits.most());
    for replicas in next.iter_mut() {
        let down = (*replicas).clamp(0, surplus.max(0));
        *replicas = replicas.saturating_sub(down);
        surplus = surplus.saturating_sub(down);
    }
    let lack = limits.desired.saturating_sub(next.iter().copied().fold(0, i32::saturating_add)).max(0);
    let newest = sets.iter().rposition(|set| set.is_current).or(sets.len().checked_sub(1));
    if let Some(replicas) = newest.and_then(|newest| next.get_mut(newest)) {
        *replicas = replicas.saturating_add(lack);
    }
    next
}

#[cfg(test)]
mod tests;
