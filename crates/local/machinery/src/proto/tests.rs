use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A length-delimited field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn varint(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), field(1, &type_meta), field(2, raw), field(3, b""), field(4, b"")].concat()
}

#[test]
fn a_secret_comes_out_as_its_json() {
    let metadata = [field(1, b"s"), field(3, b""), field(8, b"")].concat();
    let entry = [field(1, b"key"), field(2, b"\x00\xff")].concat();
    let raw = [field(1, &metadata), field(2, &entry), field(3, b"Opaque")].concat();
    let asked = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "AP8="}, "type": "Opaque"});
    assert_eq!(decode(&body("v1", "Secret", &raw)).unwrap(), asked);
}

#[test]
fn a_deployment_keeps_a_zero_that_counts_and_inlines_what_json_inlines() {
    let probe = [
        field(1, &field(2, &[field(1, b"/healthz"), field(2, &[varint(1, 1), field(3, b"http")].concat())].concat())),
        varint(4, 0),
    ]
    .concat();
    let container = [field(1, b"app"), field(2, b"isthmus/app"), field(10, &probe)].concat();
    let volume = [field(1, b"v"), field(2, &field(2, b""))].concat();
    let pod = field(2, &[field(1, &volume), field(2, &container)].concat());
    let spec = [varint(1, 0), varint(5, 0), field(3, &pod)].concat();
    let asked = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {
        "replicas": 0,
        "template": {"spec": {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "app", "image": "isthmus/app", "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}}}],
        }},
    }});
    let decoded = decode(&body("apps/v1", "Deployment", &field(2, &spec))).unwrap();
    assert_eq!(decoded["spec"]["replicas"], asked["spec"]["replicas"]);
    assert_eq!(decoded["spec"]["minReadySeconds"], Value::Null);
    assert_eq!(decoded["spec"]["template"], asked["spec"]["template"]);
}

#[test]
fn delete_options_are_read_in_any_group() {
    let raw = [varint(1, 0), field(4, b"Background"), field(2, &field(1, b"u"))].concat();
    let decoded = decode(&body("apps/v1", "DeleteOptions", &raw)).unwrap();
    assert_eq!(decoded["propagationPolicy"], "Background");
    assert_eq!(decoded["gracePeriodSeconds"], 0);
    assert_eq!(decoded["preconditions"], json!({"uid": "u"}));
}

#[test]
fn a_kind_that_is_not_in_the_table_is_unsupported_and_garbage_is_bad() {
    assert_eq!(decode(&body("batch/v1", "CronJob", b"")).unwrap_err().code, 415);
    assert_eq!(decode(b"{}").unwrap_err().code, 400);
    assert_eq!(decode(b"k8s\0\x0a\xff").unwrap_err().code, 400);
}

#[test]
fn every_message_that_the_table_names_is_in_it() {
    fn check(shape: &Shape) {
        match shape {
            Shape::Message(name) => assert!(message(name).is_some(), "{name}"),
            Shape::List(inner) | Shape::Map(inner) | Shape::Optional(inner) => check(inner),
            _ => {}
        }
    }
    for line in include_str!("messages.txt").lines().filter(|l| !l.starts_with('#')) {
        let name = line.split(' ').next().unwrap();
        let fields = message(name).unwrap();
        assert_eq!(fields.len(), line.split_whitespace().count() - 1, "{name}");
        fields.iter().for_each(|f| check(&f.shape));
    }
}

#[test]
fn nesting_has_a_limit() {
    assert_eq!(walk(&[], b"", &mut Map::new(), MAX_DEPTH + 1), Err(Malformed));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in prop::sample::select(vec!["Pod", "Secret", "Service", "Event"])) {
        let type_meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        let _ = decode(&[MAGIC, &field(1, &type_meta), &[18, 0xc8, 0x01], &bytes].concat());
        let _ = decode(&[MAGIC, &field(1, &type_meta), &field(2, bytes.get(..100).unwrap_or(&bytes))].concat());
        let _ = decode(&bytes);
    }
}
