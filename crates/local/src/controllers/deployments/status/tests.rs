use serde_json::json;

use super::*;

fn deployment(replicas: i32, generation: i64, status: Option<DeploymentStatus>) -> Deployment {
    let mut deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "web", "generation": generation },
        "spec": { "replicas": replicas, "selector": {}, "template": {}, "progressDeadlineSeconds": 60 },
    }))
    .unwrap();
    deployment.status = status;
    deployment
}

fn set(name: &str, asked: i32, have: i32, available: i32) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": { "name": name }, "spec": { "replicas": asked, "selector": {} },
        "status": { "replicas": have, "readyReplicas": available, "availableReplicas": available },
    }))
    .unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn condition<'a>(status: &'a DeploymentStatus, kind: &str) -> (&'a str, &'a str) {
    let found = status.conditions.iter().flatten().find(|condition| condition.type_ == kind).unwrap();
    (found.status.as_str(), found.reason.as_deref().unwrap())
}

fn round(old: Option<DeploymentStatus>, generation: i64, sets: &[ReplicaSet], second: i64) -> DeploymentStatus {
    let deployment = deployment(2, generation, old);
    compute(&deployment, deployment.spec.as_ref().unwrap(), sets, sets.last(), at(second))
}

#[test]
fn a_rollout_from_its_beginning_to_its_end() {
    let begun = round(None, 1, &[set("web-a", 2, 0, 0)], 0);
    assert_eq!(condition(&begun, "Available"), ("False", "MinimumReplicasUnavailable"));
    assert_eq!(condition(&begun, "Progressing"), ("True", "ReplicaSetUpdated"));
    assert_eq!(begun.unavailable_replicas, Some(2));
    let done = round(Some(begun), 1, &[set("web-a", 2, 2, 2)], 5);
    assert_eq!(condition(&done, "Available"), ("True", "MinimumReplicasAvailable"));
    assert_eq!(condition(&done, "Progressing"), ("True", COMPLETE));
    assert_eq!((done.updated_replicas, done.ready_replicas, done.observed_generation), (Some(2), Some(2), Some(1)));
    let again = round(Some(done.clone()), 1, &[set("web-a", 2, 2, 2)], 500);
    assert!(same(&again, Some(&done)), "nothing happened, so nothing is written");
    // A lost pod is no new rollout; a new template is.
    let lost = round(Some(done.clone()), 1, &[set("web-a", 2, 2, 1)], 500);
    assert_eq!(condition(&lost, "Progressing"), ("True", COMPLETE));
    let next = round(Some(done), 2, &[set("web-a", 2, 2, 2), set("web-b", 1, 0, 0)], 600);
    assert_eq!(condition(&next, "Progressing"), ("True", "ReplicaSetUpdated"));
    assert_eq!((next.updated_replicas, next.replicas), (Some(0), Some(2)));
}

#[test]
fn a_rollout_that_stands_still_is_late_after_its_deadline() {
    let stuck = [set("web-a", 2, 2, 0)];
    let begun = round(None, 1, &stuck, 0);
    let spec = deployment(2, 1, None).spec.unwrap();
    assert_eq!(deadline(&spec, &begun, at(10)), Some(Duration::from_secs(51)));
    let waiting = round(Some(begun), 1, &stuck, 59);
    assert_eq!(condition(&waiting, "Progressing"), ("True", "ReplicaSetUpdated"));
    let late = round(Some(waiting), 1, &stuck, 60);
    assert_eq!(condition(&late, "Progressing"), ("False", TIMED_OUT));
    assert_eq!(deadline(&spec, &late, at(60)), None);
    let after_all = round(Some(late), 1, &[set("web-a", 2, 2, 2)], 90);
    assert_eq!(condition(&after_all, "Progressing"), ("True", COMPLETE));
}
