//! How far all proxies are: those that are connected to some replica, and those that should be.

use std::collections::BTreeSet;

use isthmus_core::id::ObjectName;
use isthmus_identity::{Census, Standing};

use crate::serve::Standings;

/// Counts everybody: the pods that should have a proxy, and those that are connected. `done` remembers who has done its part in
/// this phase and has left: it holds the roots, or was made after they were published and has them from its injection.
pub(super) fn count(expected: BTreeSet<ObjectName>, connected: &Standings, done: &mut BTreeSet<ObjectName>) -> Census {
    let all: BTreeSet<ObjectName> = expected.into_iter().chain(connected.0.keys().cloned()).collect();
    done.retain(|pod| all.contains(pod));
    let standing = |pod: &ObjectName| {
        let remembered = || done.contains(pod).then_some(Standing::Done);
        connected.0.get(pod).cloned().or_else(remembered).unwrap_or(Standing::Absent)
    };
    let standings: Vec<_> = all.into_iter().map(|pod| (standing(&pod), pod)).map(|(s, pod)| (pod, s)).collect();
    done.extend(standings.iter().filter(|(_, standing)| *standing == Standing::Done).map(|(pod, _)| pod.clone()));
    Census::of(standings)
}

#[cfg(test)]
mod tests;
