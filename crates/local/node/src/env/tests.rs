use std::sync::Arc;

use serde_json::json;

use super::*;

struct Fixed;

impl Sources for Fixed {
    fn config_map(&self, _: &str, name: &str) -> Option<Arc<ConfigMap>> {
        let object = json!({"metadata": {"name": "cm"}, "data": {"A": "1", "B": "2"}});
        (name == "cm").then(|| Arc::new(serde_json::from_value(object).unwrap()))
    }

    fn secret(&self, _: &str, name: &str) -> Option<Arc<Secret>> {
        let object = json!({"metadata": {"name": "s"}, "data": {"key": "aGlkZGVu"}});
        (name == "s").then(|| Arc::new(serde_json::from_value(object).unwrap()))
    }
}

fn env(container: serde_json::Value) -> Result<BTreeMap<String, String>, EnvError> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "web"}},
        "spec": {"serviceAccountName": "sa", "containers": [container]},
    }))
    .unwrap();
    let facts = Facts { pod_ip: "10.42.0.5".into(), host_ip: "10.42.0.1".into(), node_name: "node".into() };
    let container = &pod.spec.as_ref().unwrap().containers[0];
    Ok(build(&pod, container, &facts, &[("BASE".into(), "b".into())], &Fixed)?.into_iter().collect())
}

#[test]
fn every_source_of_a_value() {
    let env = env(json!({"name": "c",
    "resources": {"limits": {"memory": "64Mi", "cpu": "1500m"}},
    "envFrom": [{"prefix": "CM_", "configMapRef": {"name": "cm"}}, {"secretRef": {"name": "none", "optional": true}}],
    "env": [
        {"name": "PLAIN", "value": "x"},
        {"name": "POINTS", "value": "$(PLAIN)-$(CM_A)-$$(PLAIN)-$(NONE)-$(BASE)"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "CMB", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "B"}}},
        {"name": "SEC", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "no", "optional": true}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]}))
    .unwrap();
    let expected = [
        ("APP", "web"),
        ("BASE", "b"),
        ("CMB", "2"),
        ("CM_A", "1"),
        ("CM_B", "2"),
        ("CPU", "2"),
        ("IP", "10.42.0.5"),
        ("MEM", "64"),
        ("NODE", "node"),
        ("PLAIN", "x"),
        ("POD", "p"),
        ("POINTS", "x-1-$(PLAIN)-$(NONE)-b"),
        ("SEC", "hidden"),
    ];
    assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn what_is_missing_is_named() {
    let missing =
        env(json!({"name": "c", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}}]}));
    assert_eq!(missing.unwrap_err().to_string(), "configmap \"no\" not found");
    let key =
        env(json!({"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}));
    assert_eq!(key.unwrap_err().to_string(), "couldn't find key \"k\" in secret \"s\"");
    let field =
        env(json!({"name": "c", "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.magic"}}}]}));
    assert!(field.unwrap_err().to_string().contains("spec.magic"));
}

#[test]
fn odd_dollars_stay() {
    let none = |_: &str| None;
    for text in ["$", "a$", "$(", "$(a", "$x", "100%"] {
        assert_eq!(expand(text, none), text);
    }
    assert_eq!(expand("$$", none), "$");
}
