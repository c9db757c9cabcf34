//! Looking into objects of any shape.

use serde_json::Value;

/// What is at this path of fields; null where there is nothing.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    path.iter().try_fold(value, |value, field| value.get(field)).unwrap_or(NOTHING)
}
