use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    apps::v1::Deployment,
    core::v1::{Namespace, Service, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use serde::{Serialize, de::DeserializeOwned};

use super::*;

/// Nothing is lost on the way through the typed form: so every field is one that Kubernetes knows.
fn typed<T: DeserializeOwned + Serialize>(manifest: &Value) {
    let object: T = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(&serde_json::to_value(object).unwrap(), manifest);
}

/// With every part.
fn all() -> Vec<Value> {
    let role = |image: &str| Some(RoleConfig { image: image.to_owned(), replicas: 2 });
    let (gateway, hub) = (role("isthmus/gateway"), role("isthmus/hub"));
    manifests(&InstallConfig { gateway, hub, ..InstallConfig::default() })
}

fn find<'a>(manifests: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    manifests.iter().find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name)
}

#[test]
fn every_manifest_is_what_kubernetes_knows() {
    for manifest in all() {
        match manifest["kind"].as_str().unwrap() {
            "Namespace" => typed::<Namespace>(&manifest),
            "ServiceAccount" => typed::<ServiceAccount>(&manifest),
            "ClusterRole" => typed::<ClusterRole>(&manifest),
            "ClusterRoleBinding" => typed::<ClusterRoleBinding>(&manifest),
            "Role" => typed::<Role>(&manifest),
            "RoleBinding" => typed::<RoleBinding>(&manifest),
            "APIService" => typed::<APIService>(&manifest),
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
    let kinds: Vec<String> = all().iter().map(|m| m["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.first().unwrap(), "Namespace");
    assert_eq!(kinds[kinds.len() - 2..], ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]);
}

#[test]
fn a_controller_that_is_down_stops_pods_only_where_the_mesh_was_asked_for() {
    for manifest in all() {
        for webhook in manifest["webhooks"].as_array().into_iter().flatten() {
            let asked = webhook["namespaceSelector"]["matchExpressions"][0]["operator"] == "In"
                || webhook["objectSelector"]["matchExpressions"][0]["operator"] == "In";
            assert!(asked || webhook["failurePolicy"] == "Ignore", "{}", webhook["name"]);
        }
    }
}

#[test]
fn gateways_and_hubs_are_there_when_asked_for_and_get_their_certificates_as_sidecars_do() {
    let (without, all) = (manifests(&InstallConfig::default()), all());
    for (name, port) in [(GATEWAY, GATEWAY_PORT), (HUB, HUB_PORT)] {
        assert!(without.iter().all(|manifest| manifest["metadata"]["name"] != name), "{name}");
        let pod = &find(&all, "Deployment", name).unwrap()["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], name);
        let token = &pod["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
        assert_eq!(token["audience"], "isthmus");
        let folder = pod["containers"][0]["volumeMounts"][0]["mountPath"].as_str().unwrap();
        let env = |name: &str| {
            let env = pod["containers"][0]["env"].as_array().unwrap();
            env.iter().find(|variable| variable["name"] == name).unwrap().clone()
        };
        assert_eq!(env("ISTHMUS_TOKEN_FILE")["value"], format!("{folder}/{}", token["path"].as_str().unwrap()));
        assert_eq!(env("ISTHMUS_TRUST_BUNDLE")["valueFrom"]["configMapKeyRef"]["name"], "isthmus-roots");
        let service = &find(&all, "Service", name).unwrap()["spec"];
        assert_eq!((&service["type"], &service["ports"][0]["port"]), (&json!("LoadBalancer"), &json!(port)));
        assert_eq!(service["selector"]["app.kubernetes.io/name"], name);
    }
}

#[test]
fn the_hub_cant_read_the_meshs_keys_and_the_gateway_can_do_nothing() {
    let all = all();
    for kind in ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"] {
        assert!(find(&all, kind, GATEWAY).is_none(), "{kind}");
    }
    let named_hub = |manifest: &&Value| manifest["metadata"]["name"] == HUB && manifest["rules"].is_array();
    let roles: Vec<_> = all.iter().filter(named_hub).collect();
    assert_eq!(roles.len(), 2);
    for role in roles {
        for rule in role["rules"].as_array().unwrap() {
            let resources = rule["resources"].as_array().unwrap();
            assert!(resources.iter().all(|resource| resource != "secrets" && resource != "*"), "{rule}");
        }
    }
    for binding in all.iter().filter(|manifest| manifest["subjects"][0]["name"] == HUB) {
        assert_eq!(binding["roleRef"]["name"], HUB);
    }
}

#[test]
fn who_may_leave_by_the_gateway_is_said_where_it_is_known() {
    let told = |egress_from: &[&str]| {
        let egress_from = egress_from.iter().map(|range| (*range).to_owned()).collect();
        let gateway = Some(RoleConfig { image: "isthmus/gateway".to_owned(), replicas: 1 });
        let all = manifests(&InstallConfig { gateway, egress_from, ..InstallConfig::default() });
        let pod = &find(&all, "Deployment", GATEWAY).unwrap()["spec"]["template"]["spec"];
        let env = pod["containers"][0]["env"].as_array().unwrap().clone();
        env.into_iter().find(|variable| variable["name"] == "ISTHMUS_EGRESS_FROM").map(|found| found["value"].clone())
    };
    assert_eq!(told(&[]), None);
    assert_eq!(told(&["10.42.0.0/16", "10.9.0.0/16"]), Some(json!("10.42.0.0/16,10.9.0.0/16")));
}
