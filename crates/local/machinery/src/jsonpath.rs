//! The part of JSONPath that printer columns, selectable fields and scale paths use.
//!
//! `.a.b`, `['a.b/c']`, `.a\.b`, `[0]`, `[-1]`, `[*]`, `.*`, and the filters `[?(@.type=="Ready")]` and `!=`.

use serde_json::Value;

/// Longest path taken, in bytes.
const MAX_LENGTH: usize = 1024;

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    Filter { path: Path, equal: bool, value: Value },
}

impl Path {
    /// Reads a path, with or without braces and a leading `$`.
    ///
    /// # Errors
    /// A text that says what isn't understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("a JSON path has at most {MAX_LENGTH} bytes"));
        }
        let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
        let mut rest = inner.strip_prefix('$').unwrap_or(inner);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) =
                step(rest).ok_or_else(|| format!("{rest:?} in the JSON path {text:?} isn't understood"))?;
            steps.extend(step);
            rest = after;
        }
        Ok(Self(steps))
    }

    /// Every value that the path leads to.
    #[must_use]
    pub fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|v| step.apply(v)).collect();
        }
        found
    }
}

impl Step {
    fn apply<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(map)) => map.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(list)) => {
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { length.saturating_add(*index) } else { *index };
                usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
            }
            (Self::All, Value::Array(list)) => list.iter().collect(),
            (Self::All, Value::Object(map)) => map.values().collect(),
            (Self::Filter { path, equal, value }, Value::Array(list)) => {
                list.iter().filter(|v| path.find(v).first().is_some_and(|found| (*found == value) == *equal)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The first step of `text`, and what follows. A lone `.` (the root) is no step.
fn step(text: &str) -> Option<(Option<Step>, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        return bracket(rest).map(|(step, rest)| (Some(step), rest));
    }
    let rest = text.strip_prefix('.').unwrap_or(text);
    if let Some(after) = rest.strip_prefix('*') {
        return Some((Some(Step::All), after));
    }
    let mut name = String::new();
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            '.' | '[' => {
                end = at;
                break;
            }
            _ => name.push(c),
        }
    }
    let after = rest.get(end..)?;
    match (name.is_empty(), after.is_empty()) {
        (false, _) => Some((Some(Step::Field(name)), after)),
        (true, _) if text.starts_with('.') && (after.is_empty() || after.starts_with('[')) => Some((None, after)),
        _ => None,
    }
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix("?(") {
        let (inner, after) = rest.split_once(")]")?;
        return filter(inner).map(|step| (step, after));
    }
    for quote in ['\'', '"'] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (name, after) = rest.split_once(quote)?;
            return Some((Step::Field(name.replace('\\', "")), after.strip_prefix(']')?));
        }
    }
    let (inner, after) = text.split_once(']')?;
    let step = if inner == "*" { Step::All } else { Step::Index(inner.trim().parse().ok()?) };
    Some((step, after))
}

/// `@.a.b=="x"`.
fn filter(text: &str) -> Option<Step> {
    let (path, equal, value) = match (text.split_once("=="), text.split_once("!=")) {
        (Some((path, value)), _) => (path, true, value),
        (None, Some((path, value))) => (path, false, value),
        (None, None) => return None,
    };
    let path = Path::parse(path.trim().strip_prefix('@')?).ok()?;
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
    let value = quoted.map_or_else(|| serde_json::from_str(value).ok(), |text| Some(Value::from(text)))?;
    Some(Step::Filter { path, equal, value })
}

#[cfg(test)]
mod tests;
