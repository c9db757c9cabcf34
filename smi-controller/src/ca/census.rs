//! How far all proxies are: those connected here, and those that other replicas tell of.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_core::id::ObjectName;
use isthmus_identity::{Census, Standing};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde::{Deserialize, Serialize};

use crate::serve::Standings;

/// Entries of replicas in the Secret of the roots begin so.
const PREFIX: &str = "replica.";
/// Most refusals that a replica tells of: one is enough to look at.
const MAX_REFUSALS: usize = 10;

/// What a replica that doesn't lead tells of the proxies connected to it. Names are `namespace/pod`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Of the bundle that it is about.
    sequence: u64,
    done: BTreeSet<String>,
    behind: BTreeSet<String>,
    refused: BTreeMap<String, String>,
}

impl Report {
    pub(super) fn new(sequence: u64, standings: &Standings) -> Self {
        let mut report = Self { sequence, ..Self::default() };
        for (pod, standing) in &standings.0 {
            let pod = pod.to_string();
            match standing {
                Standing::Done => drop(report.done.insert(pod)),
                Standing::Refused(why) if report.refused.len() < MAX_REFUSALS => {
                    report.refused.insert(pod, why.clone());
                }
                Standing::Behind | Standing::Refused(_) => drop(report.behind.insert(pod)),
                Standing::Absent => {}
            }
        }
        report
    }

    /// The key of a replica's entry.
    pub(super) fn key(replica: &str) -> String {
        format!("{PREFIX}{replica}")
    }

    /// Those of other replicas about this bundle. What can't be read counts as not there: its proxies are absent then.
    pub(super) fn others(secret: &Secret, replica: &str, sequence: u64) -> Vec<Self> {
        let own = Self::key(replica);
        let entries = secret.data.iter().flatten().filter(|(key, _)| key.starts_with(PREFIX) && **key != own);
        let read = |(_, ByteString(bytes)): (&String, &ByteString)| serde_json::from_slice::<Self>(bytes).ok();
        entries.filter_map(read).filter(|report| report.sequence == sequence).collect()
    }

    fn standing(&self, pod: &str) -> Option<Standing> {
        if let Some(why) = self.refused.get(pod) {
            return Some(Standing::Refused(why.clone()));
        }
        if self.behind.contains(pod) {
            return Some(Standing::Behind);
        }
        self.done.contains(pod).then_some(Standing::Done)
    }
}

/// Counts everybody: the pods that should have a proxy, and those that are connected. `done` remembers who has done its part in
/// this phase and has left: it holds the roots, or was made after they were published and has them from its injection.
pub(super) fn count(
    expected: BTreeSet<ObjectName>,
    here: &Standings,
    elsewhere: &[Report],
    done: &mut BTreeSet<ObjectName>,
) -> Census {
    let connected = here.0.keys().cloned();
    let all: BTreeSet<ObjectName> = expected.into_iter().chain(connected).collect();
    done.retain(|pod| all.contains(pod));
    let standing = |pod: &ObjectName| {
        if let Some(standing) = here.0.get(pod) {
            return standing.clone();
        }
        let name = pod.to_string();
        let mut told = elsewhere.iter().filter_map(|report| report.standing(&name)).collect::<Vec<_>>();
        // A pod that has moved is in two reports until the replica that it left has looked again.
        told.sort_by_key(|standing| *standing == Standing::Done);
        let remembered = done.contains(pod).then_some(Standing::Done);
        told.into_iter().next().or(remembered).unwrap_or(Standing::Absent)
    };
    let standings: Vec<_> = all.into_iter().map(|pod| (standing(&pod), pod)).map(|(s, pod)| (pod, s)).collect();
    done.extend(standings.iter().filter(|(_, standing)| *standing == Standing::Done).map(|(pod, _)| pod.clone()));
    Census::of(standings)
}

#[cfg(test)]
mod tests;
