use serde_json::json;

use super::*;
use crate::testing::Authority;

fn good() -> Value {
    json!({
        "name": "a.example.com",
        "clientConfig": {"url": "https://example.com/ask", "caBundle": Authority::new().bundle()},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods", "*"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1beta1", "v1"],
        "timeoutSeconds": 30,
        "failurePolicy": "Ignore",
    })
}

fn faults(webhook: Value) -> Vec<String> {
    check(&json!({"webhooks": [webhook]})).iter().map(Cause::line).collect()
}

#[test]
fn a_good_configuration_has_no_faults() {
    assert_eq!(faults(good()), Vec::<String>::new());
    assert!(check(&json!({})).is_empty());
}

#[test]
fn each_fault_names_its_field() {
    for (pointer, value, expected) in [
        ("/name", json!("short"), "webhooks[0].name: Invalid value: \"short\": should be a domain"),
        ("/name", json!(null), "webhooks[0].name: Required value"),
        ("/sideEffects", json!("Some"), "webhooks[0].sideEffects: Unsupported value: \"Some\""),
        ("/sideEffects", json!(null), "webhooks[0].sideEffects: Required value"),
        ("/failurePolicy", json!("Maybe"), "webhooks[0].failurePolicy: Unsupported value"),
        (
            "/timeoutSeconds",
            json!(31),
            "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between",
        ),
        ("/timeoutSeconds", json!(0), "webhooks[0].timeoutSeconds: Invalid value: 0"),
        ("/admissionReviewVersions", json!(["v1beta1"]), "webhooks[0].admissionReviewVersions: Invalid value"),
        ("/admissionReviewVersions", json!([]), "webhooks[0].admissionReviewVersions: Required value"),
        (
            "/matchConditions",
            json!([{"name": "x", "expression": "true"}]),
            "webhooks[0].matchConditions: Forbidden: matchConditions (CEL)",
        ),
        (
            "/objectSelector",
            json!({"matchExpressions": [{"key": "a", "operator": "Is"}]}),
            "webhooks[0].objectSelector: Invalid value",
        ),
        ("/rules/0/operations", json!(["MAKE"]), "webhooks[0].rules[0].operations[0]: Unsupported value: \"MAKE\""),
        ("/rules/0/operations", json!(["*", "CREATE"]), "webhooks[0].rules[0].operations: Invalid value"),
        ("/rules/0/resources", json!([]), "webhooks[0].rules[0].resources: Required value"),
        ("/rules/0/scope", json!("Some"), "webhooks[0].rules[0].scope: Unsupported value"),
        (
            "/clientConfig",
            json!({}),
            "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
        ),
        (
            "/clientConfig/url",
            json!("http://x/y"),
            "webhooks[0].clientConfig.url: Invalid value: \"http://x/y\": 'https' is the only",
        ),
        ("/clientConfig/url", json!("https://u:p@x/y"), "webhooks[0].clientConfig.url: Invalid value"),
        ("/clientConfig/url", json!("https://x/y?z"), "webhooks[0].clientConfig.url: Invalid value"),
        ("/clientConfig/url", json!("https://x/y#z"), "webhooks[0].clientConfig.url: Invalid value"),
        ("/clientConfig/url", json!(5), "webhooks[0].clientConfig.url: Invalid value: 5: must be a string"),
        ("/clientConfig/caBundle", json!("eA=="), "webhooks[0].clientConfig.caBundle: Invalid value"),
        ("/clientConfig/service", json!({"name": "x", "namespace": "y"}), "webhooks[0].clientConfig: Required value"),
        (
            "/clientConfig",
            json!({"service": {"name": "x"}}),
            "webhooks[0].clientConfig.service.namespace: Required value",
        ),
        (
            "/clientConfig",
            json!({"service": {"name": "x", "namespace": "y", "port": 70000}}),
            "webhooks[0].clientConfig.service.port: Invalid value: 70000",
        ),
        (
            "/clientConfig",
            json!({"service": {"name": "x", "namespace": "y", "path": "/a?b"}}),
            "webhooks[0].clientConfig.service.path: Invalid value",
        ),
    ] {
        let mut webhook = good();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        webhook.pointer_mut(parent).unwrap()[field.to_owned()] = value;
        let found = faults(webhook);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{pointer}: {found:?}");
    }
    let twice = check(&json!({"webhooks": [good(), good()]}));
    assert_eq!(
        twice.iter().map(Cause::line).collect::<Vec<_>>(),
        ["webhooks[1].name: Duplicate value: \"a.example.com\""]
    );
}
