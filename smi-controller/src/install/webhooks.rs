//! The webhook configurations. Their roots are written in by the controller.

use serde_json::{Value, json};

use super::{INJECTOR, InstallConfig, VALIDATOR, labels};
use crate::{annotations::INJECT, config::NAME};

pub(super) fn manifests(config: &InstallConfig) -> Vec<Value> {
    let client =
        |path: &str| json!({ "service": { "namespace": config.namespace, "name": NAME, "path": path, "port": 443 } });
    let pods = json!([{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced" }]);
    let injector = |name: &str, path: &str, failure_policy: &str, namespaces: Value, objects: Value| {
        json!({
            "name": name,
            "admissionReviewVersions": ["v1"],
            "clientConfig": client(path),
            "failurePolicy": failure_policy,
            "matchPolicy": "Equivalent",
            "reinvocationPolicy": "IfNeeded",
            "sideEffects": "None",
            "timeoutSeconds": 10,
            "namespaceSelector": namespaces,
            "objectSelector": objects,
            "rules": pods
        })
    };
    let is = |operator: &str, value: &str| json!({ "key": INJECT, "operator": operator, "values": [value] });
    let not_ours = json!({ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [config.namespace] });
    vec![
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": INJECTOR, "labels": labels() },
            "webhooks": [
                // A pod that misses its sidecar would be outside the mesh without anybody noticing: better no pod. Only
                // where the mesh was asked for, so that a controller that is down stops nobody else.
                injector(
                    "namespaces.injector.isthmus.mesh",
                    "/inject",
                    "Fail",
                    json!({ "matchExpressions": [is("In", "enabled"), not_ours] }),
                    json!({ "matchExpressions": [is("NotIn", "disabled")] })
                ),
                injector(
                    "pods.injector.isthmus.mesh",
                    "/inject",
                    "Fail",
                    json!({ "matchExpressions": [is("NotIn", "enabled"), not_ours] }),
                    json!({ "matchExpressions": [is("In", "enabled")] })
                ),
                // Selectors see no annotations, so every other pod is looked at; and for the same reason this one fails
                // open. The label is for who wants no pod rather than one without a sidecar.
                injector(
                    "annotations.injector.isthmus.mesh",
                    "/inject/annotated",
                    "Ignore",
                    json!({ "matchExpressions": [is("NotIn", "enabled"), not_ours] }),
                    json!({ "matchExpressions": [{ "key": INJECT, "operator": "NotIn", "values": ["enabled", "disabled"] }] })
                )
            ]
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": VALIDATOR, "labels": labels() },
            "webhooks": [
                {
                "name": "smi.validator.isthmus.mesh",
                "admissionReviewVersions": ["v1"],
                "clientConfig": client("/validate"),
                // What slips past is reported in its status, and grants nothing by mistake.
                "failurePolicy": "Ignore",
                "matchPolicy": "Equivalent",
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "rules": [{
                    "apiGroups": ["access.smi-spec.io", "specs.smi-spec.io", "split.smi-spec.io"],
                    "apiVersions": ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["*"],
                    "scope": "Namespaced"
                }]
            },
                {
                "name": "federation.validator.isthmus.mesh",
                "admissionReviewVersions": ["v1"],
                "clientConfig": client("/validate"),
                // What slips past is reported in its status, and joins nobody by mistake.
                "failurePolicy": "Ignore",
                "matchPolicy": "Equivalent",
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "rules": [{
                    "apiGroups": ["federation.isthmus.mesh"],
                    "apiVersions": ["v1alpha1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["*"],
                    "scope": "*"
                }]
            },
                {
                "name": "annotations.validator.isthmus.mesh",
                "admissionReviewVersions": ["v1"],
                "clientConfig": client("/validate"),
                // What slips past is logged and counts as not written.
                "failurePolicy": "Ignore",
                "matchPolicy": "Equivalent",
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "namespaceSelector": { "matchExpressions": [not_ours] },
                "rules": [
                    { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["namespaces"], "scope": "Cluster" },
                    // New pods pass by the injector, which reads the same annotations.
                    { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"], "scope": "Namespaced" }
                ]
            }
            ]
        }),
    ]
}
