use serde_json::json;

use super::*;

#[test]
fn a_missing_object_reads_as_in_kubernetes() {
    let status = ApiError::not_found("deployments.apps", "web").to_status();
    assert_eq!(status["message"], "deployments.apps \"web\" not found");
    assert_eq!(status["details"], json!({"name": "web", "group": "apps", "kind": "deployments"}));
    assert_eq!(status["code"], 404);
    assert_eq!(status["reason"], "NotFound");
}

#[test]
fn a_stale_write_names_the_remedy() {
    let text = ApiError::conflict("leases.coordination.k8s.io", "a").message;
    assert_eq!(
        text,
        "Operation cannot be fulfilled on leases.coordination.k8s.io \"a\": the object has been modified; \
         please apply your changes to the latest version and try again"
    );
}

#[test]
fn one_cause_stands_alone_and_several_in_brackets() {
    let port = Cause::invalid("spec.ports[0].port", &json!(0), "must be between 1 and 65535, inclusive");
    let one = ApiError::invalid("", "Service", "web", vec![port.clone()]);
    assert_eq!(
        one.message,
        "Service \"web\" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"
    );
    let two = ApiError::invalid("apps", "Deployment", "web", vec![port, Cause::required("spec.selector", "")]);
    assert!(two.message.starts_with("Deployment.apps \"web\" is invalid: [spec.ports[0].port"));
    assert!(two.message.ends_with(", spec.selector: Required value]"));
    assert_eq!(two.to_status()["details"]["causes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_huge_value_is_cut_in_the_text() {
    let cause = Cause::invalid("x", &json!("ä".repeat(5000)), "too big");
    assert!(cause.message.len() < 500);
}
