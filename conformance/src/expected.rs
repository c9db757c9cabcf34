//! What a JSON document must say, written as a document of the same shape.
//!
//! Of objects only the fields named count; lists are compared item by item. Where that doesn't do, an object with one of these
//! fields stands for a condition: `$holds` (of a list: each of these is somewhere in it), `$lacks` (none of these is),
//! `$between` (a number or a Quantity, with both ends), `$absent` (or not, with `false`), and `$count` (of a list: how many it has).

use serde_json::Value;

/// Where the document isn't as expected, and how; `None`: it is.
pub(crate) fn mismatch(expected: &Value, found: &Value) -> Option<String> {
    compare("", expected, Some(found))
}

fn compare(at: &str, expected: &Value, found: Option<&Value>) -> Option<String> {
    if let Value::Object(fields) = expected {
        if fields.keys().any(|name| name.starts_with('$')) {
            return fields.iter().find_map(|(name, condition)| condition_of(at, name, condition, found));
        }
        let Some(Value::Object(found)) = found else { return differs(at, expected, found) };
        return fields.iter().find_map(|(name, value)| compare(&format!("{at}.{name}"), value, found.get(name)));
    }
    match (expected, found) {
        (Value::Array(expected_items), Some(Value::Array(items))) if expected_items.len() == items.len() => {
            let pairs = expected_items.iter().zip(items).enumerate();
            pairs.into_iter().find_map(|(i, (expected, item))| compare(&format!("{at}[{i}]"), expected, Some(item)))
        }
        // 1 and 1.0 are the same number.
        (Value::Number(expected), Some(Value::Number(found))) if expected.as_f64() == found.as_f64() => None,
        (expected, Some(found)) if expected == found => None,
        (expected, found) => differs(at, expected, found),
    }
}

fn condition_of(at: &str, name: &str, condition: &Value, found: Option<&Value>) -> Option<String> {
    let list = || found.and_then(Value::as_array);
    let wanted = condition.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_in = |items: &[Value], wanted: &Value| items.iter().any(|item| compare(at, wanted, Some(item)).is_none());
    match name {
        "$absent" => (found.is_none() != (condition == true)).then(|| {
            let wanted = if condition == true { "nothing" } else { "something" };
            format!("{at}: {wanted} is expected, not {}", of(found))
        }),
        "$holds" => {
            let items = list().map(Vec::as_slice).unwrap_or_default();
            let missing = wanted.iter().find(|wanted| !is_in(items, wanted))?;
            Some(format!("{at}: lacks {} among {} items: {}", brief(missing), items.len(), of(found)))
        }
        "$lacks" => {
            let items = list().map(Vec::as_slice).unwrap_or_default();
            let there = wanted.iter().find(|wanted| is_in(items, wanted))?;
            Some(format!("{at}: holds {}, and shouldn't: {}", brief(there), of(found)))
        }
        "$count" => {
            let count = list().map(Vec::len);
            (count.map(|count| count as u64) != condition.as_u64())
                .then(|| format!("{at}: {} items are expected, not {}", condition, of(found)))
        }
        "$between" => {
            let (low, high) = (wanted.first().and_then(quantity), wanted.last().and_then(quantity));
            let number = found.and_then(quantity);
            let within = matches!((low, number, high), (Some(low), Some(n), Some(high)) if low <= n && n <= high);
            (!within).then(|| format!("{at}: {} isn't within {}", of(found), condition))
        }
        other => Some(format!("{at}: the case is wrong: there is no condition {other}")),
    }
}

fn differs(at: &str, expected: &Value, found: Option<&Value>) -> Option<String> {
    Some(format!("{at}: {} is expected, not {}", brief(expected), of(found)))
}

fn of(found: Option<&Value>) -> String {
    found.map_or_else(|| "nothing".to_owned(), brief)
}

fn brief(value: &Value) -> String {
    const LONGEST: usize = 300;
    let text = value.to_string();
    if text.len() <= LONGEST { text } else { text.chars().take(LONGEST).chain(['…']).collect() }
}

/// A number, or a Kubernetes Quantity with a decimal suffix.
fn quantity(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)? {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => return None,
    };
    digits.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests;
