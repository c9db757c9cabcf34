use serde_json::json;

use super::*;
use crate::testing::{object, with};

fn review(operation: &str, object: Value, old: Value) -> Answer {
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let kind = json!({"group": group, "version": version, "kind": object["kind"]});
    let request = json!({"uid": "1", "operation": operation, "kind": kind,
        "object": object, "oldObject": old});
    let validator = Validator { cluster_domain: "cluster.local".into() };
    validator.decide(&serde_json::from_value(request).unwrap())
}

fn refusal(object: Value) -> String {
    review("CREATE", object, Value::Null).refusal.unwrap_or_default()
}

fn split() -> Value {
    object("TrafficSplit", "s", json!({"service": "web", "backends": [{"service": "blue", "weight": 1}]}))
}

fn target() -> Value {
    let account = |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": "shop"});
    object(
        "TrafficTarget",
        "t",
        json!({"destination": account("a"), "sources": [account("b")],
        "rules": [{"kind": "TCPRoute", "name": "r"}]}),
    )
}

fn group(matches: Value) -> Value {
    object("HTTPRouteGroup", "g", json!({"matches": matches}))
}

#[test]
fn good_objects_pass_in_silence() {
    for object in [split(), target(), group(json!([{"name": "m", "pathRegex": "/api", "headers": {"a": "b"}}]))] {
        let answer = review("CREATE", object, Value::Null);
        assert!(answer.refusal.is_none() && answer.warnings.is_empty());
    }
}

#[test]
fn a23_a_weight_that_is_no_whole_number_is_refused() {
    let text = refusal(with(split(), "/spec/backends/0/weight", json!(-5)));
    assert!(text.contains("spec.backends[0].weight") && text.contains("-5"), "{text}");
    assert!(refusal(with(split(), "/spec/backends/0/weight", json!(0.5))).contains("0.5"));
}

#[test]
fn a13_a_root_that_is_no_service_of_the_namespace_is_refused() {
    assert!(refusal(with(split(), "/spec/service", json!("www.example.com"))).starts_with("InvalidRoot: spec.service"));
    assert!(
        refusal(with(split(), "/spec/service", json!("web.other.svc.cluster.local"))).starts_with("NamespaceMismatch")
    );
    assert_eq!(refusal(with(split(), "/spec/service", json!("web.shop.svc.cluster.local."))), "");
    assert!(refusal(with(split(), "/spec/backends/0/service", json!("blue.other"))).contains("backends[0]"));
}

#[test]
fn a15_a_target_outside_its_destinations_namespace_is_refused() {
    let text = refusal(with(target(), "/spec/destination/namespace", json!("other")));
    assert!(text.contains("spec.destination.namespace") && text.contains("other"), "{text}");
}

#[test]
fn a32_a_bad_expression_is_refused_with_its_place() {
    let text = refusal(group(json!([{"name": "m", "pathRegex": "/(["}])));
    assert!(text.contains("spec.matches[0]") && text.contains("pathRegex") && text.contains("/(["), "{text}");
    assert!(refusal(group(json!([{"name": "m", "headers": [{"a": "("}]}]))).contains("headers[a]"));
    assert!(refusal(group(json!([{"name": "m", "headers": "a"}]))).contains("InvalidMatch"));
}

#[test]
fn older_versions_are_held_to_the_same_and_told_in_their_own_words() {
    let old = |object: Value, version: &str| {
        let (group, _) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        isthmus_k8s::convert::convert(object.clone(), &format!("{group}/{version}")).unwrap()
    };
    let elsewhere = old(with(target(), "/spec/destination/namespace", json!("other")), "v1alpha1");
    assert!(refusal(elsewhere).starts_with("NamespaceMismatch: destination.namespace"));
    let bad = group(json!([{"name": "m", "pathRegex": "/(["}]));
    assert!(refusal(old(bad.clone(), "v1alpha2")).contains(": matches[0]"));
    assert!(
        refusal(old(with(split(), "/spec/backends/0/weight", json!(-5)), "v1alpha1")).contains("backends[0].weight")
    );
    // What was stored may be labelled in any version, and nothing else.
    let labelled = with(old(bad.clone(), "v1alpha1"), "/metadata/labels", json!({"a": "b"}));
    assert!(review("UPDATE", labelled, old(bad.clone(), "v1alpha1")).refusal.is_none());
    assert!(review("UPDATE", old(bad, "v1alpha1"), old(group(json!([{"name": "m"}])), "v1alpha1")).refusal.is_some());
    let garbled = with(old(split(), "v1alpha2"), "/metadata/annotations", json!({"isthmus.mesh/parked": "{"}));
    assert!(refusal(garbled).contains("isthmus.mesh/parked"));
}

#[test]
fn who_cannot_see_a_port_is_told_that_it_holds() {
    let limited =
        with(target(), "/metadata/annotations", json!({"isthmus.mesh/parked": r#"{"ports":{"destination":80}}"#}));
    assert!(warnings(limited.clone()).contains("port 80 alone"));
    assert_eq!(warnings(isthmus_k8s::convert::convert(limited, "access.smi-spec.io/v1alpha2").unwrap()), "");
}

fn warnings(object: Value) -> String {
    let answer = review("CREATE", object, Value::Null);
    assert_eq!(answer.refusal, None);
    answer.warnings.join(" ")
}

#[test]
fn a3_headers_of_both_forms_pass() {
    for headers in [json!({"a": "x", "b": "y"}), json!([{"a": "x"}, {"b": "y"}]), json!([{"a": "x", "b": "y"}])] {
        assert_eq!(warnings(group(json!([{"name": "m", "headers": headers}]))), "");
    }
}

#[test]
fn a6_a_root_among_the_backends_passes_with_a_warning_in_every_version() {
    let own = with(split(), "/spec/backends/0/service", json!("web.shop"));
    for version in ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"] {
        let object = isthmus_k8s::convert::convert(own.clone(), &format!("split.smi-spec.io/{version}")).unwrap();
        assert!(warnings(object).starts_with("spec.backends: web is the split's own root"), "{version}");
    }
}

#[test]
fn a14_subjects_without_a_namespace_pass() {
    let bare = |name: &str| json!({"kind": "ServiceAccount", "name": name});
    let target = with(with(target(), "/spec/destination", bare("a")), "/spec/sources", json!([bare("b")]));
    assert_eq!(warnings(target), "");
}

#[test]
fn a24_the_group_of_a_match_may_be_left_out() {
    let matched = |reference: Value| with(split(), "/spec/matches", json!([reference]));
    for group in ["", "specs.smi-spec.io"] {
        assert_eq!(warnings(matched(json!({"apiGroup": group, "kind": "HTTPRouteGroup", "name": "g"}))), "");
    }
    assert_eq!(warnings(matched(json!({"kind": "HTTPRouteGroup", "name": "g"}))), "");
    let text = refusal(matched(json!({"apiGroup": "example.com", "kind": "HTTPRouteGroup", "name": "g"})));
    assert!(text.starts_with("UnsupportedKind: spec.matches[0]"), "{text}");
}

#[test]
fn a30_subjects_are_accounts_and_bindings() {
    let destination = |subject: Value| with(target(), "/spec/destination", subject);
    assert!(refusal(destination(json!({"kind": "Group", "name": "g"}))).starts_with("UnsupportedKind"));
    // As the specification's examples write it.
    let binding = |group: &str| destination(json!({"kind": "IdentityBinding", "group": group, "name": "b"}));
    assert_eq!(warnings(binding("access.smi-spec.io")), "");
    assert!(refusal(binding("example.com")).contains(r#"of group "example.com""#));
}

#[test]
fn who_relies_on_udp_is_warnings() {
    assert!(warnings(object("UDPRoute", "u", json!({"matches": {"ports": [53]}}))).starts_with("NotEnforced: UDP"));
    let target = with(target(), "/spec/rules/0/kind", json!("UDPRoute"));
    assert!(warnings(target).starts_with("NotEnforced: spec.rules[0]"));
}

#[test]
fn bindings_are_checked() {
    let binding = |schemes: Value| object("IdentityBinding", "b", json!({"schemes": schemes}));
    let both = json!({"serviceAccount": "a", "podLabelSelector": {"matchLabels": {"a": "b"}}});
    assert!(refusal(binding(both)).contains("mutually exclusive"));
    assert!(refusal(binding(json!({"spiffeIdentities": ["spiffe://UPPER/x"]}))).contains("InvalidSpiffeId"));
    assert_eq!(refusal(binding(json!({"spiffeIdentities": ["cluster.local/ns/default/sa/service-a"]}))), "");
    assert!(refusal(binding(json!({}))).contains("names nobody"));
}

#[test]
fn what_is_only_discouraged_passes_with_a_warning() {
    let twice = group(json!([{"name": "m", "pathRegex": "/a"}, {"name": "m", "pathRegex": "/b"}]));
    assert!(warnings(twice).contains("DuplicateMatch"), "a18");
    assert!(warnings(with(target(), "/spec/rules", json!([]))).contains("NothingGranted"), "a17");
    for version in ["v1alpha3", "v1alpha4"] {
        let mut old = with(target(), "/spec/destination/port", json!(80));
        old["apiVersion"] = json!(format!("access.smi-spec.io/{version}"));
        assert!(warnings(old).contains("PortIgnored: spec.destination.port"), "{version}");
    }
}

#[test]
fn an_object_without_the_shape_of_its_kind_is_refused() {
    assert!(refusal(with(split(), "/spec/service", json!(7))).contains("shape"));
}

#[test]
fn what_was_stored_wrong_may_still_be_labelled_and_deleted() {
    let wrong = with(split(), "/spec/backends/0/weight", json!(-5));
    let labelled = with(wrong.clone(), "/metadata/labels", json!({"a": "b"}));
    let answer = review("UPDATE", labelled, wrong.clone());
    assert!(answer.refusal.is_none() && answer.warnings[0].contains("InvalidWeight"));
    assert!(review("UPDATE", wrong.clone(), split()).refusal.is_some());
    let leaving = with(wrong, "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    assert!(review("UPDATE", leaving, split()).refusal.is_none());
}

#[test]
fn telemetry_that_cannot_be_read_is_warned_of() {
    let annotations = json!({"isthmus.mesh/access-log": "yes", "isthmus.mesh/trace-sampling": "2"});
    for kind in ["Namespace", "Pod"] {
        let object = json!({"metadata": {"name": "x", "annotations": annotations}});
        let request = json!({"uid": "1", "operation": "UPDATE", "kind": {"group": "", "kind": kind}, "object": object});
        let validator = Validator { cluster_domain: "cluster.local".into() };
        let answer = validator.decide(&serde_json::from_value(request).unwrap());
        assert_eq!((answer.refusal, answer.warnings.len()), (None, 2));
        assert!(answer.warnings[0].contains("access-log"), "{:?}", answer.warnings);
    }
    let annotated =
        with(group(json!([{"name": "m"}])), "/metadata/annotations", json!({"isthmus.mesh/trace-sampling": "2"}));
    let answer = review("CREATE", annotated, Value::Null);
    assert!(answer.refusal.is_none() && answer.warnings[0].starts_with("InvalidSampling"), "{:?}", answer.warnings);
}

#[test]
fn an_annotation_that_cannot_be_read_is_refused_when_it_is_written() {
    let review = |kind: &str, annotations: Value, before: Value| {
        let object = |annotations| json!({"metadata": {"name": "x", "annotations": annotations}});
        let request = json!({"uid": "1", "operation": "UPDATE", "kind": {"group": "", "kind": kind},
            "object": object(annotations), "oldObject": object(before)});
        let validator = Validator { cluster_domain: "cluster.local".into() };
        validator.decide(&serde_json::from_value(request).unwrap()).refusal.unwrap_or_default()
    };
    let strict = json!({"isthmus.mesh/policy-mode": "strict"});
    let text = review("Namespace", strict.clone(), json!(null));
    assert!(["isthmus.mesh/policy-mode", "strict", "permissive"].iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(review("Namespace", strict.clone(), strict), "", "what was there before may stay");
    assert_eq!(review("Namespace", json!({"isthmus.mesh/policy-mode": "audit"}), json!({})), "");
    let text = review("Pod", json!({"isthmus.mesh/plaintext-sources": "anybody"}), json!({}));
    assert!(text.contains("plaintext-sources") && text.contains("anybody"), "{text}");
}
