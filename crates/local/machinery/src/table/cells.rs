//! Cells that several kinds share.

use jiff::Timestamp;
use serde_json::Value;

use super::age::human;
use crate::meta;

/// What kubectl prints for nothing.
pub(super) const NONE: &str = "<none>";

pub(super) fn name(object: &Value, _: Timestamp) -> Value {
    meta::name(object).into()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(Some(meta::text(object, "creationTimestamp")), now)
}

/// The time passed since an RFC 3339 text.
pub(super) fn since(time: Option<&str>, now: Timestamp) -> Value {
    let then = time.and_then(meta::parse_time);
    then.map_or_else(|| "<unknown>".to_owned(), |then| human(now.as_second() - then.as_second())).into()
}

/// The text at a JSON pointer; empty when there is none.
pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer; 0 when there is none.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// The list at a JSON pointer; empty when there is none.
pub(super) fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// How many entries a list or map at a JSON pointer has.
pub(super) fn count(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

/// The text, or `<none>`.
pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

/// Texts joined by commas, or `<none>`.
pub(super) fn joined<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Value {
    let texts: Vec<S> = texts.into_iter().collect();
    or_none(&texts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(","))
}

/// `a=b,c=d` of the map at a JSON pointer, or `<none>`.
pub(super) fn labels(object: &Value, pointer: &str) -> Value {
    let map = object.pointer(pointer).and_then(Value::as_object);
    joined(map.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())))
}

/// The condition of this type is `True`.
pub(super) fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    list(object, "/status/conditions").iter().find(|c| text(c, "/type") == kind)
}
