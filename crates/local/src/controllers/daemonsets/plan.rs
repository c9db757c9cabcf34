//! What a DaemonSet does next about its pods on a node.

use k8s_openapi::api::apps::v1::DaemonSetSpec;
use k8s_openapi::api::core::v1::Pod;

use crate::controllers::objects::is_terminal;
use crate::controllers::pods::{is_active, is_of};

#[derive(Debug)]
pub(super) enum Step<'a> {
    Make,
    End(&'a Pod),
    Rest,
}

/// Whether pods of an earlier template are replaced by themselves.
pub(super) fn rolls(spec: &DaemonSetSpec) -> bool {
    let strategy = spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    strategy != Some("OnDelete")
}

/// One pod, of the present template if it rolls. The next is made when the last has gone: they may hold the same things of the node.
pub(super) fn next<'a>(owned: &'a [Pod], revision: &str, rolls: bool) -> Step<'a> {
    if owned.is_empty() {
        return Step::Make;
    }
    let ended = owned.iter().find(|pod| is_terminal(pod) && pod.metadata.deletion_timestamp.is_none());
    if let Some(pod) = ended {
        return Step::End(pod);
    }
    let mut active: Vec<&Pod> = owned.iter().filter(|pod| is_active(pod)).collect();
    active.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    match active.as_slice() {
        [_, younger, ..] => Step::End(younger),
        [pod] if rolls && !is_of(pod, revision) => Step::End(pod),
        _ => Step::Rest,
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, revision: &str, more: Value) -> Pod {
        let mut pod = json!({
            "metadata": { "name": name, "labels": { "controller-revision-hash": revision },
                          "creationTimestamp": "2026-01-01T00:00:00Z" },
            "status": { "phase": "Running" },
        });
        json_patch(&mut pod, more);
        serde_json::from_value(pod).unwrap()
    }

    fn json_patch(pod: &mut Value, more: Value) {
        for (pointer, value) in more.as_object().unwrap() {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            pod.pointer_mut(parent).unwrap()[field] = value.clone();
        }
    }

    fn step(pods: &[Pod], rolls: bool) -> String {
        match next(pods, "new", rolls) {
            Step::Make => "make".to_owned(),
            Step::End(pod) => format!("end {}", pod.name_any()),
            Step::Rest => "rest".to_owned(),
        }
    }

    #[test]
    fn there_is_one_pod_of_the_present_template_and_never_two() {
        let ending = json!({ "/metadata/deletionTimestamp": "2026-01-01T00:00:00Z" });
        let later = json!({ "/metadata/creationTimestamp": "2026-01-02T00:00:00Z" });
        for (pods, wanted) in [
            (vec![], "make"),
            (vec![pod("a", "new", json!({}))], "rest"),
            (vec![pod("a", "old", json!({}))], "end a"),
            (vec![pod("a", "old", ending)], "rest"),
            (vec![pod("b", "new", later), pod("a", "new", json!({}))], "end b"),
            (vec![pod("a", "new", json!({ "/status/phase": "Failed" }))], "end a"),
        ] {
            assert_eq!(step(&pods, true), wanted, "{pods:?}");
        }
    }

    #[test]
    fn on_delete_leaves_an_old_pod_alone() {
        assert_eq!(step(&[pod("a", "old", json!({}))], false), "rest");
    }
}
