use std::fs;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccountTokenProjection};
use serde_json::json;

use super::content::{File, Tokens};
use super::*;
use crate::env::{Facts, Sources};

struct Fixed;

impl Sources for Fixed {
    fn config_map(&self, _: &str, name: &str) -> Option<Arc<ConfigMap>> {
        let object = json!({"metadata": {"name": "cm"}, "data": {"a.txt": "A", "b.txt": "B"}});
        (name == "cm").then(|| Arc::new(serde_json::from_value(object).unwrap()))
    }

    fn secret(&self, _: &str, name: &str) -> Option<Arc<Secret>> {
        let object = json!({"metadata": {"name": "s"}, "data": {"key": "aGlkZGVu"}});
        (name == "s").then(|| Arc::new(serde_json::from_value(object).unwrap()))
    }
}

impl Tokens for Fixed {
    fn token(&self, _: &ServiceAccountTokenProjection) -> Option<String> {
        Some("ey".into())
    }
}

fn files(volume: serde_json::Value) -> Result<Vec<(String, String, u32)>, VolumeError> {
    let pod: Pod =
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}}})).unwrap();
    match content(&pod, &serde_json::from_value(volume).unwrap(), &Facts::default(), &Fixed, &Fixed)? {
        Content::Files(files) => Ok(files
            .into_iter()
            .map(|(path, file)| (path, String::from_utf8(file.bytes).unwrap(), file.mode))
            .collect()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_volume_of_every_pod() {
    let volume = json!({"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "cm", "items": [{"key": "a.txt", "path": "ca/ca.crt", "mode": 256}]}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"secret": {"name": "none", "optional": true}},
    ]}});
    let expected = [("ca/ca.crt", "A", 0o400), ("labels", "a=\"b\"", 0o644), ("token", "ey", 0o644)];
    assert_eq!(files(volume).unwrap(), expected.map(|(path, text, mode)| (path.to_owned(), text.to_owned(), mode)));
}

#[test]
fn what_is_missing_or_leads_outside_is_named() {
    let missing = files(json!({"name": "v", "secret": {"secretName": "no"}})).unwrap_err().to_string();
    assert!(missing.contains("secret \"no\" not found"), "{missing}");
    for path in ["../x", "/x", "a/../b", "", "..data/x"] {
        assert!(
            files(json!({"name": "v", "configMap": {"name": "cm", "items": [{"key": "a.txt", "path": path}]}}))
                .is_err(),
            "{path}"
        );
    }
    assert!(matches!(
        files(json!({"name": "v", "nfs": {"server": "x", "path": "/"}})),
        Err(VolumeError::Unsupported { .. })
    ));
}

#[test]
fn a_change_is_published_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let file = |text: &str| File { bytes: text.into(), mode: 0o640 };
    let first = [("a".to_owned(), file("1")), ("d/b".to_owned(), file("2"))].into();
    assert!(publish(directory.path(), &first).unwrap());
    assert!(!publish(directory.path(), &first).unwrap());
    let read = |path: &str| fs::read_to_string(directory.path().join(path)).unwrap();
    assert_eq!((read("a"), read("d/b"), read("..data/a")), ("1".into(), "2".into(), "1".into()));
    let second = [("a".to_owned(), file("3"))].into();
    assert!(publish(directory.path(), &second).unwrap());
    assert_eq!(read("a"), "3");
    assert!(!directory.path().join("d").is_symlink());
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "the link, its directory, and one name: {left:?}");
}

#[test]
fn name_resolution_of_a_pod() {
    let dns = PodDns { server: [10, 43, 0, 10].into(), domain: "cluster.local".into() };
    let spec = |value: serde_json::Value| serde_json::from_value(value).unwrap();
    assert_eq!(
        resolv_conf(&spec(json!({"containers": []})), "shop", &dns),
        "nameserver 10.43.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    );
    let own = json!({"containers": [], "dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.2.3.4"], "options": [{"name": "ndots", "value": "1"}]}});
    assert_eq!(resolv_conf(&spec(own), "shop", &dns), "nameserver 1.2.3.4\noptions ndots:1\n");
    let pod: Pod = serde_json::from_value(json!({"metadata": {"namespace": "shop"},
        "spec": {"containers": [], "subdomain": "db", "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["one", "uno"]}]}}))
    .unwrap();
    let text = hosts(&pod, "db-0", [10, 42, 0, 5].into(), &dns);
    assert!(
        text.contains("10.42.0.5\tdb-0.db.shop.svc.cluster.local\tdb-0\n") && text.ends_with("1.1.1.1\tone\tuno\n"),
        "{text}"
    );
}

#[test]
fn a_sub_path_stays_in_its_volume() {
    let spec: PodSpec =
        serde_json::from_value(json!({"containers": [], "volumes": [{"name": "v", "emptyDir": {}}]})).unwrap();
    let mount = |name: &str| VolumeMount { name: name.into(), ..VolumeMount::default() };
    assert_eq!(source(Path::new("/p"), &spec, &mount("v"), Some("a/b")).unwrap(), Path::new("/p/volumes/v/a/b"));
    assert!(source(Path::new("/p"), &spec, &mount("v"), Some("../x")).is_err());
    assert!(source(Path::new("/p"), &spec, &mount("w"), None).is_err());
}
