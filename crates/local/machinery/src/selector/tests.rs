use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::builtin;

fn pod(labels: Value) -> Value {
    json!({"metadata": {"name": "a", "namespace": "n", "labels": labels}, "status": {"phase": "Running"}})
}

#[test]
fn every_form_of_a_requirement() {
    let object = pod(json!({"app": "web", "tier": "front", "n": "5"}));
    for (text, holds) in [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        ("app = web , tier", true),
        ("app!=web", false),
        ("other!=x", true),
        ("app in (web, api)", true),
        ("app in (api)", false),
        ("app notin (api),tier in (front)", true),
        ("other notin (x)", true),
        ("!app", false),
        ("!other", true),
        ("app", true),
        ("n>4", true),
        ("n<4", false),
        ("app=", false),
    ] {
        assert_eq!(LabelSelector::parse(text).unwrap().matches(&object), holds, "{text}");
    }
}

#[test]
fn malformed_selectors_are_refused() {
    for text in [",", "a in (b", "a=b,,c", "a b", "=x", "a in b)", "a=b c", "a>x", "-a=b", "a in (b) c", "!"] {
        assert_eq!(LabelSelector::parse(text).map_err(|e| e.code), Err(400), "{text}");
    }
}

#[test]
fn the_object_form_asks_for_all() {
    let selector = json!({
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front"]},
            {"key": "old", "operator": "DoesNotExist"}
        ]
    });
    let selector = LabelSelector::from_object(&selector).unwrap();
    assert!(selector.matches(&pod(json!({"app": "web", "tier": "front"}))));
    assert!(!selector.matches(&pod(json!({"app": "web"}))));
    assert!(LabelSelector::from_object(&json!({})).unwrap().is_empty());
    assert!(LabelSelector::from_object(&json!({"matchExpressions": [{"key": "a", "operator": "Is"}]})).is_err());
}

#[test]
fn fields_by_kind() {
    let pods = builtin::find("", "v1", "pods").unwrap();
    let object = pod(json!({}));
    let parse = |text: &str| FieldSelector::parse(text, pods);
    assert!(parse("metadata.name=a,status.phase!=Pending").unwrap().matches(&object));
    assert!(!parse("metadata.namespace=other").unwrap().matches(&object));
    assert!(parse("spec.nodeName=").unwrap().matches(&object));
    assert_eq!(parse("metadata.name==a").unwrap().name(), Some("a"));
    assert_eq!(parse("spec.foo=a").unwrap_err().message, "field label not supported: spec.foo");
    assert_eq!(parse("metadata.name").unwrap_err().code, 400);
    assert!(parse("").unwrap().is_empty());
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(
        terms in proptest::collection::vec(("[a-z]{1,5}(/[a-z]{1,3})?", 0..4_u8, proptest::collection::vec("[a-z0-9]{0,4}", 1..3)), 0..5)
    ) {
        let text: Vec<String> = terms.iter().map(|(key, form, values)| match form {
            0 => format!("{key} in ({})", values.join(",")),
            1 => format!("{key} notin ({})", values.join(",")),
            2 => key.clone(),
            _ => format!("!{key}"),
        }).collect();
        let selector = LabelSelector::parse(&text.join(",")).unwrap();
        prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        let _ = LabelSelector::parse(&text);
        let _ = FieldSelector::parse(&text, builtin::find("", "v1", "pods").unwrap());
    }
}
