use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    apps::v1::Deployment,
    core::v1::{Namespace, Service, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use serde::{Serialize, de::DeserializeOwned};

use super::*;

/// Nothing is lost on the way through the typed form: so every field is one that Kubernetes knows.
fn typed<T: DeserializeOwned + Serialize>(manifest: &Value) {
    let object: T = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(&serde_json::to_value(object).unwrap(), manifest);
}

#[test]
fn every_manifest_is_what_kubernetes_knows() {
    for manifest in manifests(&InstallConfig::default()) {
        match manifest["kind"].as_str().unwrap() {
            "Namespace" => typed::<Namespace>(&manifest),
            "ServiceAccount" => typed::<ServiceAccount>(&manifest),
            "ClusterRole" => typed::<ClusterRole>(&manifest),
            "ClusterRoleBinding" => typed::<ClusterRoleBinding>(&manifest),
            "Role" => typed::<Role>(&manifest),
            "RoleBinding" => typed::<RoleBinding>(&manifest),
            "Service" => typed::<Service>(&manifest),
            "Deployment" => typed::<Deployment>(&manifest),
            "MutatingWebhookConfiguration" => typed::<MutatingWebhookConfiguration>(&manifest),
            "ValidatingWebhookConfiguration" => typed::<ValidatingWebhookConfiguration>(&manifest),
            other => panic!("unknown kind {other}"),
        }
    }
}

#[test]
fn the_namespace_comes_first_and_the_webhooks_last() {
    let kinds: Vec<String> =
        manifests(&InstallConfig::default()).iter().map(|m| m["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.first().unwrap(), "Namespace");
    assert_eq!(kinds[kinds.len() - 2..], ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]);
}

#[test]
fn a_controller_that_is_down_stops_pods_only_where_the_mesh_was_asked_for() {
    for manifest in manifests(&InstallConfig::default()) {
        for webhook in manifest["webhooks"].as_array().into_iter().flatten() {
            let asked = webhook["namespaceSelector"]["matchExpressions"][0]["operator"] == "In"
                || webhook["objectSelector"]["matchExpressions"][0]["operator"] == "In";
            assert!(asked || webhook["failurePolicy"] == "Ignore", "{}", webhook["name"]);
        }
    }
}
