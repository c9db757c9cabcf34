//! Request bodies in JSON and YAML, with the duplicate keys that strict validation reports.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::status::ApiError;

/// A decoded body.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The object; of duplicate keys the last one counts.
    pub value: Value,
    /// Paths of keys that stood twice in one object: `spec.replicas`.
    pub duplicates: Vec<String>,
}

/// Reads a JSON body. Nesting is bounded by serde_json (128 levels); the caller bounds the body's size.
///
/// # Errors
/// 400 when it is not JSON.
pub fn json(body: &[u8]) -> Result<Decoded, ApiError> {
    let malformed = |error| ApiError::bad_request(format!("the body of the request is not JSON: {error}"));
    serde_json::from_slice(body).map_err(malformed)
}

/// Reads a YAML body (JSON is YAML too).
///
/// # Errors
/// 400 when it is not YAML, or has keys that aren't text.
pub fn yaml(body: &[u8]) -> Result<Decoded, ApiError> {
    if let Ok(decoded) = json(body) {
        return Ok(decoded);
    }
    // No snippet: an error must not repeat a Secret's text. Depth (64) and the cost of aliases are bounded by default.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let malformed = |error| ApiError::bad_request(format!("error converting YAML to JSON: {error}"));
    serde_saphyr::from_slice_with_options(body, options).map_err(malformed)
}

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

fn plain<E>(value: impl Into<Value>) -> Result<Decoded, E> {
    Ok(Decoded { value: value.into(), duplicates: Vec::new() })
}

/// The place of an inner path: `a` and `b.c` are `a.b.c`, `a` and `[0]` are `a[0]`.
fn below(outer: &str, inner: &str) -> String {
    if inner.starts_with('[') { format!("{outer}{inner}") } else { format!("{outer}.{inner}") }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Decoded;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Decoded, E> {
        plain(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Decoded, E> {
        plain(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Decoded, D::Error> {
        Decoded::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Decoded, E> {
        plain(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Decoded, E> {
        plain(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Decoded, E> {
        plain(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Decoded, E> {
        plain(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Decoded, E> {
        plain(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Decoded, A::Error> {
        let (mut list, mut duplicates) = (Vec::new(), Vec::new());
        while let Some(item) = seq.next_element::<Decoded>()? {
            let at = format!("[{}]", list.len());
            duplicates.extend(item.duplicates.iter().map(|inner| below(&at, inner)));
            list.push(item.value);
        }
        Ok(Decoded { value: Value::Array(list), duplicates })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Decoded, A::Error> {
        let (mut map, mut duplicates) = (Map::new(), Vec::new());
        while let Some(key) = access.next_key::<String>()? {
            let inner = access.next_value::<Decoded>()?;
            duplicates.extend(inner.duplicates.iter().map(|path| below(&key, path)));
            if map.insert(key.clone(), inner.value).is_some() {
                duplicates.push(key);
            }
        }
        Ok(Decoded { value: Value::Object(map), duplicates })
    }
}

#[cfg(test)]
mod tests;
