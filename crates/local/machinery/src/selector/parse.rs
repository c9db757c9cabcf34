//! Parsing of label selectors.

use serde_json::Value;

use super::{REQUIREMENT_LIMIT, Requirement, Test};
use crate::validation::names;

pub(super) fn labels(text: &str) -> Result<Vec<Requirement>, String> {
    let mut requirements = Vec::new();
    for part in split(text)? {
        let part = part.trim();
        if part.is_empty() {
            if text.trim().is_empty() {
                break;
            }
            return Err("found ',', expected: identifier after ','".to_owned());
        }
        if requirements.len() >= REQUIREMENT_LIMIT {
            return Err(format!("more than {REQUIREMENT_LIMIT} requirements"));
        }
        requirements.push(requirement(part)?);
    }
    Ok(requirements)
}

/// At the commas that aren't in parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match (c, inside) {
            ('(', false) => inside = true,
            (')', true) => inside = false,
            ('(', true) | (')', false) => return Err(format!("unexpected {c:?} in {text:?}")),
            (',', false) => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("found '', expected: ',' or ')' in {text:?}"));
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!') {
        return made(key, Test::Absent);
    }
    if let Some((head, rest)) = part.split_once('(') {
        let values = rest.strip_suffix(')').ok_or_else(|| format!("found text after ')' in {part:?}"))?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => made(key, Test::In(values)),
            (Some(key), Some("notin"), None) => made(key, Test::NotIn(values)),
            _ => Err(format!("found {head:?}, expected: a key and 'in' or 'notin'")),
        };
    }
    for (sign, not) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(sign) {
            let values = vec![value.trim().to_owned()];
            return made(key, if not { Test::NotIn(values) } else { Test::In(values) });
        }
    }
    for (sign, greater) in [('>', true), ('<', false)] {
        if let Some((key, value)) = part.split_once(sign) {
            let bound = value
                .trim()
                .parse()
                .map_err(|_| format!("for 'Gt', 'Lt' operators, the value must be an integer, not {value:?}"))?;
            return made(key, if greater { Test::Greater(bound) } else { Test::Less(bound) });
        }
    }
    made(part, Test::Exists)
}

fn made(key: &str, test: Test) -> Result<Requirement, String> {
    let key = key.trim();
    if let Some(why) = names::qualified_name(key) {
        return Err(format!("key: Invalid value: {key:?}: {why}"));
    }
    if let Test::In(values) | Test::NotIn(values) = &test {
        for value in values {
            if let Some(why) = names::label_value(value) {
                return Err(format!("values: Invalid value: {value:?}: {why}"));
            }
        }
    }
    Ok(Requirement { key: key.to_owned(), test })
}

pub(super) fn object(selector: &Value) -> Result<Vec<Requirement>, String> {
    let mut requirements = Vec::new();
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().ok_or_else(|| format!("matchLabels: the value of {key:?} is no text"))?;
        requirements.push(made(key, Test::In(vec![value.to_owned()]))?);
    }
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
        let values: Vec<String> = expression
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let operator = expression.get("operator").and_then(Value::as_str).unwrap_or_default();
        let test = match (operator, values.is_empty()) {
            ("In", false) => Test::In(values),
            ("NotIn", false) => Test::NotIn(values),
            ("In" | "NotIn", true) => return Err(format!("for {operator:?} operator, values set can't be empty")),
            ("Exists", true) => Test::Exists,
            ("DoesNotExist", true) => Test::Absent,
            ("Exists" | "DoesNotExist", false) => return Err(format!("values set must be empty for {operator}")),
            _ => return Err(format!("{operator:?} is not a valid label selector operator")),
        };
        requirements.push(made(key, test)?);
    }
    Ok(requirements)
}
