//! Reading and writing `ObjectMeta` in a [`Value`], and the text forms of times, UIDs and generated names.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// `2026-11-21T04:24:08Z`: whole seconds, as `metav1.Time` is written.
#[must_use]
pub fn rfc3339(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-11-21T04:24:08.000123Z`, as `metav1.MicroTime` (Leases) is written.
#[must_use]
pub fn rfc3339_micro(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads either form.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// A version 4 UUID from 16 random bytes of the caller's.
#[must_use]
pub fn uid(mut random: [u8; 16]) -> String {
    use std::fmt::Write as _;

    for (i, byte) in random.iter_mut().enumerate() {
        match i {
            6 => *byte = (*byte & 0x0f) | 0x40,
            8 => *byte = (*byte & 0x3f) | 0x80,
            _ => {}
        }
    }
    let mut text = String::with_capacity(36);
    for (i, byte) in random.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `prefix` and five letters from the caller's randomness, cut so that the whole stays within 63 bytes.
#[must_use]
pub fn generate_name(prefix: &str, random: [u8; 5]) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    const PREFIX_LIMIT: usize = 63 - 5;
    let end = (0..=prefix.len().min(PREFIX_LIMIT)).rev().find(|i| prefix.is_char_boundary(*i)).unwrap_or(0);
    let mut name = prefix.get(..end).unwrap_or_default().to_owned();
    name.extend(random.iter().filter_map(|b| LETTERS.get(usize::from(*b) % LETTERS.len())).map(|b| char::from(*b)));
    name
}

/// The `metadata` object.
#[must_use]
pub fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.as_object()
}

/// The `metadata` object, made if absent. `None` when `object` is no JSON object.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let slot = object.as_object_mut()?.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

/// A text field of `metadata`; empty when absent.
#[must_use]
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    metadata(object).and_then(|meta| meta.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// `metadata.name`; empty when absent.
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "name")
}

/// `metadata.namespace`; empty when absent.
#[must_use]
pub fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

/// `metadata.labels`, as far as they are text.
pub fn labels(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    texts(object, "labels")
}

/// `metadata.annotations`, as far as they are text.
pub fn annotations(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    texts(object, "annotations")
}

fn texts<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let map = metadata(object).and_then(|meta| meta.get(field)).and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

/// Splits `apps/v1` into (`apps`, `v1`) and `v1` into (``, `v1`).
#[must_use]
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// A quantity (`250m`, `1.5Gi`, `1e3`) in thousandths, rounded up; `None` when malformed or out of range.
#[must_use]
pub fn quantity_milli(text: &str) -> Option<i128> {
    const SUFFIXES: &[(&str, i128, i128)] = &[
        ("Ki", 1 << 10, 1),
        ("Mi", 1 << 20, 1),
        ("Gi", 1 << 30, 1),
        ("Ti", 1 << 40, 1),
        ("Pi", 1 << 50, 1),
        ("Ei", 1 << 60, 1),
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1000),
        ("k", 1000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
        ("", 1, 1),
    ];
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at_checked(end)?;
    let (mut over, mut under) = match suffix.strip_prefix(['e', 'E']).and_then(|e| e.parse::<i32>().ok()) {
        Some(exponent) => {
            let power = 10_i128.checked_pow(exponent.unsigned_abs()).filter(|_| exponent.abs() <= 18)?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
        None => SUFFIXES.iter().find(|(name, ..)| *name == suffix).map(|(_, over, under)| (*over, *under))?,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > 19 || fraction.len() > 12 || fraction.contains('.') {
        return None;
    }
    let number: i128 = format!("{whole}{fraction}").parse().ok()?;
    under = under.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    over = over.checked_mul(1000)?;
    let scaled = number.checked_mul(over)?;
    Some(sign * (scaled / under + i128::from(scaled % under != 0)))
}

#[cfg(test)]
mod tests;
