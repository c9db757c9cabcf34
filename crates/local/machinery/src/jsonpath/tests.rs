use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn paths_of_printer_columns_find_their_values() {
    let object = json!({
        "metadata": {"annotations": {"a.b/c": "x"}},
        "spec": {"list": [{"name": "p", "n": 1}, {"name": "q", "n": 2}], "service": "web"},
        "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Programmed", "status": "True"}]},
    });
    for (path, found) in [
        (".spec.service", json!(["web"])),
        ("{.spec.service}", json!(["web"])),
        ("$.spec.service", json!(["web"])),
        (".status.conditions[?(@.type==\"Programmed\")].status", json!(["True"])),
        (".status.conditions[?(@.type=='Programmed')].status", json!(["True"])),
        (".status.conditions[?(@.type!=\"Ready\")].status", json!(["True"])),
        (".spec.list[?(@.n==2)].name", json!(["q"])),
        (".spec.list[*].name", json!(["p", "q"])),
        (".spec.list[-1].name", json!(["q"])),
        (".spec.list[0].name", json!(["p"])),
        (".metadata.annotations['a.b/c']", json!(["x"])),
        (".metadata.annotations.a\\.b/c", json!(["x"])),
        (".spec.absent.deeper", json!([])),
    ] {
        assert_eq!(json!(Path::parse(path).unwrap().find(&object)), found, "{path}");
    }
    assert_eq!(Path::parse(".").unwrap().find(&object), [&object]);
}

#[test]
fn what_is_not_understood_is_refused() {
    for path in [".a..b", ".a[", ".a[x]", ".a[?(@.b>1)]", ".a\\"] {
        assert!(Path::parse(path).is_err(), "{path}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        if let Ok(path) = Path::parse(&text) {
            let _ = path.find(&json!({"a": [1, {"b": 2}]}));
        }
    }
}
