//! Typed decoding of built-in kinds.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::node::{Node, Text, Type};
use super::prune;
use crate::{meta, status::ApiError};

pub(super) fn object(node: &Node, value: &mut Value) -> Result<Vec<String>, ApiError> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let version = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    let wrap = |why: String| {
        ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    };
    if !value.is_object() {
        return Err(wrap(format!("json: cannot unmarshal {} into Go value of type {kind}", go_name(value))));
    }
    let unknown = prune::unknown(node, value);
    prune::walk(node, value, &mut |map, key| {
        map.remove(key);
    });
    typed(node, value, &mut vec![kind.clone()]).map_err(wrap)?;
    Ok(unknown)
}

/// Checks the types of one part of an object, such as the metadata of a custom one.
pub(super) fn part(node: &Node, value: &Value, name: &str) -> Result<(), String> {
    typed(node, &mut value.clone(), &mut vec![name.to_owned()])
}

/// Checks types, and removes the nulls that a decoder would leave unset. `path` names the field in errors.
fn typed(node: &Node, value: &mut Value, path: &mut Vec<String>) -> Result<(), String> {
    if node.quantity {
        return quantity(value, path);
    }
    if node.int_or_string {
        let fits = value.is_string() || value.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
        return if fits { Ok(()) } else { Err(mismatch(value, path, "intstr.IntOrString")) };
    }
    match (node.ty, value) {
        (Some(Type::Object), Value::Object(map)) => {
            map.retain(|_, inner| !inner.is_null());
            for (key, inner) in map.iter_mut() {
                if let Some(field) = node.field(key) {
                    path.push(key.clone());
                    typed(field, inner, path)?;
                    path.pop();
                }
            }
            Ok(())
        }
        (Some(Type::Array), Value::Array(list)) => {
            let Some(items) = &node.items else { return Ok(()) };
            for item in list {
                if item.is_null() {
                    *item = zero(items);
                }
                typed(items, item, path)?;
            }
            Ok(())
        }
        (Some(Type::String), Value::String(text)) => form(node.text, text),
        (Some(Type::Integer), value) => {
            let fits = value.as_i64().is_some_and(|n| !node.int32 || i32::try_from(n).is_ok());
            if fits { Ok(()) } else { Err(mismatch(value, path, if node.int32 { "int32" } else { "int64" })) }
        }
        (Some(ty), value) if !ty.takes(value) => Err(mismatch(value, path, go_type(ty))),
        _ => Ok(()),
    }
}

fn form(text_form: Text, text: &str) -> Result<(), String> {
    match text_form {
        Text::Base64 => match STANDARD.decode(text) {
            Ok(_) => Ok(()),
            Err(base64::DecodeError::InvalidByte(at, _)) => Err(format!("illegal base64 data at input byte {at}")),
            Err(_) => Err(format!("illegal base64 data at input byte {}", text.len())),
        },
        Text::Time if meta::parse_time(text).is_none() => {
            Err(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""))
        }
        Text::Time | Text::Any => Ok(()),
    }
}

fn quantity(value: &mut Value, path: &[String]) -> Result<(), String> {
    let text = match &*value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        other => return Err(mismatch(other, path, "resource.Quantity")),
    };
    if crate::meta::quantity_milli(&text).is_none() {
        return Err(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned()
        );
    }
    *value = Value::String(text);
    Ok(())
}

fn zero(node: &Node) -> Value {
    match node.ty {
        Some(Type::Object) => Value::Object(serde_json::Map::new()),
        Some(Type::Array) => Value::Array(Vec::new()),
        Some(Type::String) => Value::from(""),
        Some(Type::Integer | Type::Number) => Value::from(0),
        Some(Type::Boolean) => Value::from(false),
        None => Value::Null,
    }
}

fn mismatch(value: &Value, path: &[String], wanted: &str) -> String {
    // A number is shown only where it doesn't fit an integer; other values may be secrets.
    let shown = match value {
        Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
        other => go_name(other).to_owned(),
    };
    format!("json: cannot unmarshal {shown} into Go struct field {} of type {wanted}", path.join("."))
}

fn go_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(ty: Type) -> &'static str {
    match ty {
        Type::Object => "map[string]interface {}",
        Type::Array => "[]interface {}",
        Type::String => "string",
        Type::Integer => "int64",
        Type::Number => "float64",
        Type::Boolean => "bool",
    }
}
