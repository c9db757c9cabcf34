use serde_json::json;

use super::*;

fn headers(value: Value) -> Result<Vec<(String, String)>, InvalidHeaders> {
    Match { headers: Some(value), ..Match::default() }.header_conditions()
}

fn ab() -> Vec<(String, String)> {
    vec![("a".into(), "x".into()), ("b".into(), "y".into())]
}

#[test]
fn a3_vector_both_wire_forms_of_headers_are_identical() {
    assert_eq!(headers(json!([{"a": "x"}, {"b": "y"}])).unwrap(), ab());
    assert_eq!(headers(json!({"a": "x", "b": "y"})).unwrap(), ab());
}

#[test]
fn vector_a_list_element_with_two_headers_is_taken_as_both() {
    assert_eq!(headers(json!([{"a": "x", "b": "y"}])).unwrap(), ab());
}

#[test]
fn another_form_of_headers_is_refused() {
    assert!(headers(json!("a: x")).is_err());
    assert!(headers(json!(["a"])).is_err());
    assert!(headers(json!({"a": 1})).is_err());
    assert_eq!(headers(Value::Null).unwrap(), []);
}
