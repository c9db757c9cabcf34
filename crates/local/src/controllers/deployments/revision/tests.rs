use serde_json::json;

use super::*;

fn deployment(image: &str) -> Deployment {
    serde_json::from_value(json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": "u", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a" } },
        "spec": {
            "replicas": 3, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } },
                          "spec": { "containers": [{ "name": "c", "image": image }] } },
        },
    }))
    .unwrap()
}

fn new(image: &str, sets: &[ReplicaSet]) -> ReplicaSet {
    let deployment = deployment(image);
    new_set(&deployment, deployment.spec.as_ref().unwrap(), sets)
}

#[test]
fn a_set_carries_the_hash_and_the_revision_of_its_template() {
    let first = new("a", &[]);
    let hash = first.labels().get(HASH).unwrap().clone();
    assert_eq!(first.name_any(), format!("web-{hash}"));
    assert_eq!(first.spec.as_ref().unwrap().selector.match_labels.as_ref().unwrap().get(HASH), Some(&hash));
    assert_eq!(of(&first.metadata), 1);
    assert_eq!(first.annotations().get("team").unwrap(), "a");
    assert!(!first.annotations().contains_key(NOT_COPIED[0]));
    let second = new("b", std::slice::from_ref(&first));
    assert_ne!(second.name_any(), first.name_any());
    assert_eq!(of(&second.metadata), 2);
}

#[test]
fn an_annotation_that_comes_after_the_set_is_copied_too() {
    let mut deployment = deployment("a");
    let set = new("a", &[]);
    assert!(annotations(&deployment, &set.metadata, 1).is_empty());
    deployment.annotations_mut().insert("kubernetes.io/change-cause".to_owned(), "why".to_owned());
    let lacking = annotations(&deployment, &set.metadata, 2);
    assert_eq!(serde_json::to_value(lacking).unwrap(), json!({ ANNOTATION: "2", "kubernetes.io/change-cause": "why" }));
}

#[test]
fn going_back_finds_the_old_set_and_gives_it_a_new_number() {
    let first = new("a", &[]);
    let second = new("b", std::slice::from_ref(&first));
    let sets = [first, second];
    let spec = deployment("a").spec.unwrap();
    let found = current(&spec, &sets).unwrap();
    assert_eq!(found.name_any(), sets[0].name_any());
    assert_eq!(number(&sets, &sets[0].name_any()), 3);
    assert_eq!(number(&sets, &sets[1].name_any()), 2);
    assert!(current(&deployment("c").spec.unwrap(), &sets).is_none());
}

#[test]
fn old_and_empty_sets_beyond_the_limit_are_superfluous() {
    let mut sets = Vec::new();
    for image in ["a", "b", "c", "d"] {
        let set = new(image, &sets);
        sets.push(set);
    }
    sets[0].spec.as_mut().unwrap().replicas = Some(1);
    let current = sets[3].name_any();
    let mut spec = deployment("d").spec.unwrap();
    let superfluous = |spec: &DeploymentSpec| super::superfluous(spec, &sets, Some(&current));
    assert!(superfluous(&spec).is_empty());
    spec.revision_history_limit = Some(1);
    assert_eq!(superfluous(&spec), [sets[1].name_any()]);
    spec.revision_history_limit = Some(0);
    assert_eq!(superfluous(&spec), [sets[1].name_any(), sets[2].name_any()]);
}
