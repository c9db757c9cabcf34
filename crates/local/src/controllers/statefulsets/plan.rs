//! What a StatefulSet does next about its pods.

use std::collections::BTreeMap;
use std::ops::Range;

use k8s_openapi::api::apps::v1::StatefulSetSpec;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::controllers::objects::is_terminal;
use crate::controllers::pods::{BATCH, Readiness, is_of};

pub(super) struct Plan<'a> {
    name: &'a str,
    /// The pods that shall be.
    ordinals: Range<i32>,
    /// All at once, and not one after the other.
    parallel: bool,
    /// Pods of an earlier template are replaced by themselves.
    rolls: bool,
    revision: &'a str,
}

#[derive(Debug, PartialEq)]
pub(super) enum Step<'a> {
    Make(i32),
    End(&'a Pod),
}

impl<'a> Plan<'a> {
    pub(super) fn of(name: &'a str, spec: &StatefulSetSpec, revision: &'a str) -> Self {
        let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0);
        let strategy = spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
        Self {
            name,
            ordinals: start..start.saturating_add(spec.replicas.unwrap_or(1)),
            parallel: spec.pod_management_policy.as_deref() == Some("Parallel"),
            rolls: strategy != Some("OnDelete"),
            revision,
        }
    }

    /// What to do now. Unless they are parallel, nothing is done about a pod before all with lower numbers are available, and those
    /// with the highest go first.
    pub(super) fn steps<'p>(&self, owned: &'p [Pod], readiness: impl Fn(&Pod) -> Readiness) -> Vec<Step<'p>> {
        let all: BTreeMap<i32, &Pod> = owned.iter().filter_map(|pod| Some((self.ordinal(pod)?, pod))).collect();
        let available = |pod: &Pod| !ends(pod) && readiness(pod) == Readiness::Available;
        let mut steps = Vec::new();
        for ordinal in self.ordinals.clone() {
            let settled = match all.get(&ordinal) {
                None => {
                    steps.push(Step::Make(ordinal));
                    false
                }
                // It comes again under its name.
                Some(pod) if is_terminal(pod) && !ends(pod) => {
                    steps.push(Step::End(pod));
                    false
                }
                Some(pod) => available(pod),
            };
            if !settled && (!self.parallel || steps.len() == BATCH) {
                return steps;
            }
        }
        for (_, pod) in all.iter().rev().filter(|(ordinal, _)| !self.ordinals.contains(ordinal)) {
            if !ends(pod) {
                steps.push(Step::End(pod));
            }
            if !self.parallel {
                return steps;
            }
        }
        if steps.is_empty() && self.rolls {
            steps.extend(self.replaced(&all, available));
        }
        steps
    }

    /// The next pod that makes room for one of the present template: from the highest number down, when those above are available.
    fn replaced<'p>(&self, all: &BTreeMap<i32, &'p Pod>, available: impl Fn(&Pod) -> bool) -> Option<Step<'p>> {
        let (_, pod) = all.iter().rev().find(|(_, pod)| !is_of(pod, self.revision) || !available(pod))?;
        (!is_of(pod, self.revision) && !ends(pod)).then_some(Step::End(pod))
    }

    fn ordinal(&self, pod: &Pod) -> Option<i32> {
        pod.name_any().strip_prefix(self.name)?.strip_prefix('-')?.parse().ok()
    }
}

fn ends(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}
