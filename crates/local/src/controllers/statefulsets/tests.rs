use serde_json::{Value, json};

use super::*;

/// A pod as `name/revision`, with marks: `!` isn't ready, `-` ends, `x` has failed.
fn pods(text: &str) -> Vec<Pod> {
    let one = |word: &str| {
        let (name, rest) = word.split_once('/').unwrap();
        let revision = rest.trim_end_matches(['!', '-', 'x']);
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let mut pod = json!({
            "metadata": { "name": name, "labels": { "controller-revision-hash": revision } },
            "status": { "phase": "Running", "conditions": ready },
        });
        if rest.contains('!') {
            pod["status"]["conditions"] = json!([]);
        }
        if rest.contains('-') {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        if rest.contains('x') {
            pod["status"] = json!({ "phase": "Failed" });
        }
        serde_json::from_value(pod).unwrap()
    };
    text.split_whitespace().map(one).collect()
}

fn set(spec: Value) -> StatefulSet {
    let mut whole = json!({ "serviceName": "db", "selector": { "matchLabels": { "app": "db" } },
        "template": { "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [] } } });
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({ "metadata": { "name": "db", "namespace": "shop", "uid": "u" }, "spec": whole }))
        .unwrap()
}

fn steps(spec: Value, there: &str) -> String {
    let set = set(spec);
    let (spec, pods) = (set.spec.as_ref().unwrap(), pods(there));
    let plan = Plan::of("db", spec, "new");
    let steps = plan.steps(&pods, |pod| pods::readiness(pod, None, Timestamp::now()));
    let text = steps.iter().map(|step| match step {
        Step::Make(ordinal) => format!("+{ordinal}"),
        Step::End(pod) => format!("-{}", pod.name_any()),
    });
    text.collect::<Vec<_>>().join(" ")
}

#[test]
fn pods_come_one_after_the_other() {
    let three = || json!({ "replicas": 3 });
    for (there, wanted) in [
        ("", "+0"),
        ("db-0/new!", ""),
        ("db-0/new", "+1"),
        ("db-0/new db-1/new db-2/new", ""),
        ("db-1/new db-2/new", "+0"),
        ("db-0/new-", ""),
        ("db-0/newx", "-db-0"),
    ] {
        assert_eq!(steps(three(), there), wanted, "{there}");
    }
    assert_eq!(steps(json!({ "replicas": 2, "podManagementPolicy": "Parallel" }), ""), "+0 +1");
    assert_eq!(steps(json!({ "replicas": 1, "ordinals": { "start": 5 } }), ""), "+5");
    let all = steps(json!({ "replicas": i32::MAX, "podManagementPolicy": "Parallel", "ordinals": { "start": 1 } }), "");
    assert_eq!(all.split(' ').count(), pods::BATCH);
}

#[test]
fn the_highest_go_first_and_none_while_another_is_missing() {
    let one = || json!({ "replicas": 1 });
    assert_eq!(steps(one(), "db-0/new db-1/new db-2/new"), "-db-2");
    assert_eq!(steps(one(), "db-0/new db-1/new db-2/new-"), "");
    assert_eq!(steps(one(), "db-0/new! db-1/new"), "");
    assert_eq!(steps(json!({ "replicas": 0 }), "db-0/new"), "-db-0");
    assert_eq!(steps(json!({ "replicas": 0, "podManagementPolicy": "Parallel" }), "db-0/new db-1/new"), "-db-1 -db-0");
}

#[test]
fn another_template_replaces_pods_from_the_highest_down() {
    let two = || json!({ "replicas": 2 });
    assert_eq!(steps(two(), "db-0/old db-1/old"), "-db-1");
    assert_eq!(steps(two(), "db-0/old db-1/new!"), "");
    assert_eq!(steps(two(), "db-0/old db-1/new"), "-db-0");
    assert_eq!(steps(two(), "db-0/new db-1/new"), "");
    assert_eq!(steps(json!({ "replicas": 1, "updateStrategy": { "type": "OnDelete" } }), "db-0/old"), "");
}

#[test]
fn a_pod_has_its_name_its_host_name_and_its_number() {
    let set = set(json!({}));
    let pod = pod(&set, set.spec.as_ref().unwrap(), "db-abc", 1);
    let spec = pod.spec.clone().unwrap();
    assert_eq!(
        (pod.name_any(), spec.hostname.unwrap(), spec.subdomain.unwrap()),
        ("db-1".into(), "db-1".into(), "db".into())
    );
    assert_eq!(pod.labels()["apps.kubernetes.io/pod-index"], "1");
    assert!(pods::is_of(&pod, "db-abc"));
}

#[test]
fn an_update_has_ended_when_all_are_of_it_and_ready() {
    let mut set = set(json!({ "replicas": 2 }));
    let now = Timestamp::now();
    let (first, _) = status(&set, set.spec.as_ref().unwrap(), &[], "old", now);
    assert_eq!(first.current_revision.as_deref(), Some("old"));
    set.status = Some(first);
    for (there, current, ready) in
        [("db-0/old db-1/new", "old", 2), ("db-0/new db-1/new!", "old", 1), ("db-0/new db-1/new", "new", 2)]
    {
        let (told, _) = status(&set, set.spec.as_ref().unwrap(), &pods(there), "new", now);
        assert_eq!((told.current_revision.as_deref(), told.ready_replicas), (Some(current), Some(ready)), "{there}");
        assert_eq!(told.update_revision.as_deref(), Some("new"));
    }
}
