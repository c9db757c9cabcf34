//! The resources that TrafficMetrics tells of, and the names that people know them by.

use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// A resource of the metrics API.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// In paths.
    pub(crate) plural: &'static str,
    /// In objects, as Kubernetes spells it.
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    /// What kubectl takes for it as well.
    aliases: &'static [&'static str],
}

const fn resource(
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    aliases: &'static [&'static str],
) -> Resource {
    Resource { plural, kind, namespaced, aliases }
}

/// What the command line falls back on.
pub(crate) const DEFAULT: &str = "deployments";

/// All that the specification lists.
pub(crate) static RESOURCES: [Resource; 11] = [
    resource("namespaces", "Namespace", false, &["namespace", "ns"]),
    resource("nodes", "Node", false, &["node", "no"]),
    resource("pods", "Pod", true, &["pod", "po"]),
    resource("replicationcontrollers", "ReplicationController", true, &["replicationcontroller", "rc"]),
    resource("services", "Service", true, &["service", "svc"]),
    resource("daemonsets", "DaemonSet", true, &["daemonset", "ds"]),
    resource("deployments", "Deployment", true, &["deployment", "deploy"]),
    resource("replicasets", "ReplicaSet", true, &["replicaset", "rs"]),
    resource("statefulsets", "StatefulSet", true, &["statefulset", "sts"]),
    resource("jobs", "Job", true, &["job"]),
    resource("trafficsplits", "TrafficSplit", true, &["trafficsplit", "ts", "split"]),
];

/// By any of its names, however they are capitalised.
pub(crate) fn named(name: &str) -> Option<&'static Resource> {
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    RESOURCES.iter().find(|r| is(&r.plural) || is(&r.kind) || r.aliases.iter().any(is))
}

impl Resource {
    /// TrafficSplits.
    pub(crate) fn splits() -> &'static Self {
        let [.., splits] = &RESOURCES;
        splits
    }
}

/// `Daemonset` and `daemonset` are Kubernetes' `DaemonSet`: meshes differ in how they spell kinds.
pub(crate) fn spelled(kind: &str) -> &str {
    named(kind).map_or(kind, |resource| resource.kind)
}

/// Reads a resource off the command line; completion offers the plurals.
pub(crate) fn parser() -> impl TypedValueParser<Value = &'static Resource> {
    let values = RESOURCES.iter().map(|r| PossibleValue::new(r.plural).aliases(r.aliases.iter().copied()));
    PossibleValuesParser::new(values).try_map(|name| named(&name).ok_or_else(|| format!("there is no resource {name}")))
}

/// Something with pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) resource: &'static Resource,
    pub(crate) name: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, name) = text
            .split_once('/')
            .filter(|(_, name)| !name.is_empty())
            .ok_or_else(|| format!("{text:?} isn't RESOURCE/NAME, such as deploy/web"))?;
        let resource = named(resource).ok_or_else(|| format!("there is no resource {resource:?}"))?;
        match resource.kind {
            "Namespace" | "Node" | "TrafficSplit" => {
                Err(format!("{} have no pods of their own: give what has, such as deploy/web", resource.plural))
            }
            _ => Ok(Self { resource, name: name.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_spelled_as_kubernetes_does() {
        for (told, kind) in [("Daemonset", "DaemonSet"), ("deployment", "Deployment"), ("Rollout", "Rollout")] {
            assert_eq!(spelled(told), kind);
        }
    }

    #[test]
    fn splits_are_splits() {
        assert_eq!(Resource::splits().kind, "TrafficSplit");
    }

    #[test]
    fn every_name_means_one_resource() {
        for r in &RESOURCES {
            for name in [r.plural, r.kind].iter().chain(r.aliases) {
                assert_eq!(named(name), Some(r), "{name}");
            }
        }
    }
}
