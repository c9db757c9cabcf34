use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn the_last_of_duplicate_keys_counts_and_each_is_reported() {
    let decoded = json(br#"{"a": 1, "spec": {"ports": [{"x": 1, "x": 2}]}, "a": {"b": 3}}"#).unwrap();
    assert_eq!(decoded.value, json!({"a": {"b": 3}, "spec": {"ports": [{"x": 2}]}}));
    assert_eq!(decoded.duplicates, ["spec.ports[0].x", "a"]);
}

#[test]
fn yaml_is_read_as_kubernetes_reads_it() {
    let decoded =
        yaml(b"apiVersion: v1\nkind: ConfigMap\ndata:\n  a: \"1\"\n  b: |\n    x\nports: [1, 2.5, true, null]\n")
            .unwrap();
    assert_eq!(
        decoded.value,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": "x\n"}, "ports": [1, 2.5, true, null]})
    );
    assert_eq!(json(b"a: b").unwrap_err().code, 400);
    assert_eq!(yaml(b"a: [").unwrap_err().code, 400);
}

#[test]
fn nesting_is_bounded() {
    let deep = "[".repeat(100_000);
    assert!(json(deep.as_bytes()).is_err());
    assert!(yaml(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = json(&bytes);
        let _ = yaml(&bytes);
    }
}
