//! Protobuf request bodies: the `k8s\0` envelope and the messages that kubectl and Helm send.
//!
//! One walker over a table of field numbers; what the table doesn't know is skipped, as protobuf says.

mod descriptors;
mod scalars;
mod wire;

use serde_json::{Map, Value};

use self::{
    descriptors::{Field, Shape, message},
    wire::{Malformed, Reader, Scalar},
};
use crate::{meta::split_api_version, status::ApiError};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// Deepest nesting of messages.
const MAX_DEPTH: usize = 32;
const MAGIC: &[u8] = b"k8s\0";

/// Decodes a body to the JSON object that it stands for, with `apiVersion` and `kind` from the envelope.
///
/// # Errors
/// 400 for a malformed body, 415 for a kind that is not known here.
pub fn decode(body: &[u8]) -> Result<Value, ApiError> {
    let malformed = |_| ApiError::bad_request("the body of the request is malformed protobuf");
    let rest = body.strip_prefix(MAGIC).ok_or(Malformed).map_err(malformed)?;
    let envelope = Envelope::read(rest).map_err(malformed)?;
    let name = message_name(&envelope.api_version, &envelope.kind);
    let Some(fields) = name.as_deref().and_then(message) else {
        return Err(ApiError::unsupported_media(&["application/json", "application/yaml"]));
    };
    let mut object = Map::from_iter([
        ("apiVersion".to_owned(), Value::from(envelope.api_version)),
        ("kind".to_owned(), Value::from(envelope.kind)),
    ]);
    walk(fields, envelope.raw, &mut object, 0).map_err(malformed)?;
    Ok(Value::Object(object))
}

/// `runtime.Unknown`: type, and the message's own bytes.
#[derive(Default)]
struct Envelope<'b> {
    api_version: String,
    kind: String,
    raw: &'b [u8],
}

impl<'b> Envelope<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, scalar)) = reader.next()? {
            match (number, scalar) {
                (1, Scalar::Bytes(type_meta)) => {
                    let mut inner = Reader::new(type_meta);
                    while let Some((number, scalar)) = inner.next()? {
                        match number {
                            1 => envelope.api_version = scalar.text()?,
                            2 => envelope.kind = scalar.text()?,
                            _ => {}
                        }
                    }
                }
                (2, Scalar::Bytes(raw)) => envelope.raw = raw,
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// The table's name of a kind.
fn message_name(api_version: &str, kind: &str) -> Option<String> {
    if kind == "DeleteOptions" {
        return Some("meta.DeleteOptions".to_owned());
    }
    let (group, version) = split_api_version(api_version);
    let package = match group {
        "" => "core",
        "apps" => "apps",
        "batch" => "batch",
        "authentication.k8s.io" => "authentication",
        "authorization.k8s.io" => "authorization",
        "coordination.k8s.io" => "coordination",
        "discovery.k8s.io" => "discovery",
        "events.k8s.io" => "events",
        "rbac.authorization.k8s.io" => "rbac",
        _ => return None,
    };
    (version == "v1").then(|| format!("{package}.{kind}"))
}

/// Reads one message into a JSON object.
fn walk(fields: &[Field], bytes: &[u8], into: &mut Map<String, Value>, depth: usize) -> Result<(), Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, scalar)) = reader.next()? {
        let Some(field) = fields.iter().find(|f| f.number == number) else { continue };
        match &field.shape {
            Shape::Message(name) if field.name.is_empty() => {
                walk(message(name).ok_or(Malformed)?, scalar.bytes()?, into, depth + 1)?;
            }
            Shape::List(inner) => {
                let list = into.entry(&field.name).or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(list) = list else { return Err(Malformed) };
                scalars::each(inner, scalar, |one| {
                    list.push(value(inner, one, depth)?.unwrap_or_else(|| scalars::zero(inner)));
                    Ok(())
                })?;
            }
            Shape::Map(inner) => {
                let (key, entry) = entry(inner, scalar.bytes()?, depth)?;
                let map = into.entry(&field.name).or_insert_with(|| Value::Object(Map::new()));
                map.as_object_mut().ok_or(Malformed)?.insert(key, entry);
            }
            shape => {
                if let Some(value) = value(shape, scalar, depth)? {
                    into.insert(field.name.clone(), value);
                }
            }
        }
    }
    Ok(())
}

/// One map entry: key 1, value 2.
fn entry(shape: &Shape, bytes: &[u8], depth: usize) -> Result<(String, Value), Malformed> {
    let (mut key, mut found) = (String::new(), scalars::zero(shape));
    let mut reader = Reader::new(bytes);
    while let Some((number, scalar)) = reader.next()? {
        match number {
            1 => key = scalar.text()?,
            2 => found = value(shape, scalar, depth)?.unwrap_or_else(|| scalars::zero(shape)),
            _ => {}
        }
    }
    Ok((key, found))
}

/// One value; `None` for a zero that JSON would leave out.
fn value(shape: &Shape, scalar: Scalar<'_>, depth: usize) -> Result<Option<Value>, Malformed> {
    match shape {
        Shape::Message(name) => {
            let mut object = Map::new();
            walk(message(name).ok_or(Malformed)?, scalar.bytes()?, &mut object, depth + 1)?;
            Ok(Some(Value::Object(object)))
        }
        shape => scalars::value(shape, scalar),
    }
}

#[cfg(test)]
mod tests;
