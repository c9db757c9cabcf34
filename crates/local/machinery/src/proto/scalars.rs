//! Scalars and the small messages that JSON writes as scalars.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    descriptors::Shape,
    wire::{Malformed, Reader, Scalar},
};
use crate::meta;

/// One value; `None` for a zero that JSON would leave out.
pub(super) fn value(shape: &Shape, scalar: Scalar<'_>) -> Result<Option<Value>, Malformed> {
    let some = match shape {
        Shape::Text => {
            let text = scalar.text()?;
            return Ok((!text.is_empty()).then(|| text.into()));
        }
        Shape::Integer => {
            let number = scalar.integer()?;
            return Ok((number != 0).then(|| number.into()));
        }
        Shape::Bool => {
            let set = scalar.integer()? != 0;
            return Ok(set.then(|| true.into()));
        }
        Shape::Time | Shape::MicroTime => return time(scalar, matches!(shape, Shape::MicroTime)),
        Shape::Optional(inner) => value(inner, scalar)?.unwrap_or_else(|| zero(inner)),
        Shape::Double => match scalar {
            Scalar::Fixed64(bits) => f64::from_bits(bits).into(),
            _ => return Err(Malformed),
        },
        Shape::Bytes => STANDARD.encode(scalar.bytes()?).into(),
        Shape::Duration => match scalar {
            Scalar::Bytes(bytes) => format!("{}ns", numbers(bytes)?.0).into(),
            _ => return Err(Malformed),
        },
        Shape::Quantity => first_text(scalar.bytes()?)?.into(),
        Shape::IntOrString => int_or_string(scalar.bytes()?)?,
        Shape::Items => items(scalar.bytes()?)?,
        Shape::Json => serde_json::from_slice(first_bytes(scalar.bytes()?)?).map_err(|_| Malformed)?,
        Shape::List(_) | Shape::Map(_) | Shape::Message(_) => return Err(Malformed),
    };
    Ok(Some(some))
}

/// What a missing value of the shape is, where one must stand (in a list, in a map, behind a pointer).
pub(super) fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Integer | Shape::Double => 0.into(),
        Shape::Bool => false.into(),
        Shape::Text | Shape::Bytes | Shape::Quantity => "".into(),
        Shape::Items | Shape::List(_) => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}

/// Calls back for one element of a list, or for each of a packed one.
pub(super) fn each<'b>(
    inner: &Shape,
    scalar: Scalar<'b>,
    mut element: impl FnMut(Scalar<'b>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    match (inner, scalar) {
        (Shape::Integer | Shape::Bool, Scalar::Bytes(packed)) => {
            let mut reader = Reader::new(packed);
            while !reader.is_empty() {
                element(Scalar::Varint(reader.varint()?))?;
            }
            Ok(())
        }
        _ => element(scalar),
    }
}

/// Fields 1 and 2 of a message of integers.
fn numbers(bytes: &[u8]) -> Result<(i64, i64), Malformed> {
    let mut found = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, scalar)) = reader.next()? {
        match number {
            1 => found.0 = scalar.integer()?,
            2 => found.1 = scalar.integer()?,
            _ => {}
        }
    }
    Ok(found)
}

/// `Time` and `MicroTime` are seconds and nanoseconds; an empty message is no time.
fn time(scalar: Scalar<'_>, micro: bool) -> Result<Option<Value>, Malformed> {
    let bytes = scalar.bytes()?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let (seconds, nanos) = numbers(bytes)?;
    let nanos = i32::try_from(nanos).map_err(|_| Malformed)?;
    let time = Timestamp::new(seconds, nanos).map_err(|_| Malformed)?;
    Ok(Some(if micro { meta::rfc3339_micro(time) } else { meta::rfc3339(time) }.into()))
}

/// `IntOrString`: 1 type (0 integer, 1 text), 2 integer, 3 text.
fn int_or_string(bytes: &[u8]) -> Result<Value, Malformed> {
    let (mut kind, mut integer, mut text) = (0, 0, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((number, scalar)) = reader.next()? {
        match number {
            1 => kind = scalar.integer()?,
            2 => integer = scalar.integer()?,
            3 => text = scalar.text()?,
            _ => {}
        }
    }
    Ok(if kind == 0 { integer.into() } else { text.into() })
}

fn items(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut list = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, scalar)) = reader.next()? {
        if number == 1 {
            list.push(Value::from(scalar.text()?));
        }
    }
    Ok(list.into())
}

fn first_bytes(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(bytes);
    while let Some((number, scalar)) = reader.next()? {
        if number == 1 {
            return scalar.bytes();
        }
    }
    Ok(&[])
}

fn first_text(bytes: &[u8]) -> Result<String, Malformed> {
    String::from_utf8(first_bytes(bytes)?.to_vec()).map_err(|_| Malformed)
}
