//! Label and field selectors.

mod fields;
mod parse;

use std::fmt;

use serde_json::Value;

pub use fields::FieldSelector;

use crate::{meta, status::ApiError};

/// Requirements in one selector.
const REQUIREMENT_LIMIT: usize = 1000;

/// A label selector: all of its requirements must hold. The default one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// Parses `a=b,c!=d,e in (f,g),h,!i`; empty matches everything.
    ///
    /// # Errors
    /// 400 that names the place.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        parse::labels(text)
            .map(|requirements| Self { requirements })
            .map_err(|why| ApiError::bad_request(format!("unable to parse requirement: {why}")))
    }

    /// Reads the object form: `matchLabels` and `matchExpressions`. An empty one matches everything.
    ///
    /// # Errors
    /// 400 for an unknown operator or a malformed list of values.
    pub fn from_object(selector: &Value) -> Result<Self, ApiError> {
        parse::object(selector).map(|requirements| Self { requirements }).map_err(ApiError::bad_request)
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object's `metadata.labels` match.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let labels = meta::metadata(object).and_then(|meta| meta.get("labels"));
        self.matches_labels(labels)
    }

    /// Whether these labels (a JSON object of texts, or nothing) match.
    #[must_use]
    pub fn matches_labels(&self, labels: Option<&Value>) -> bool {
        self.requirements.iter().all(|requirement| {
            requirement.holds(labels.and_then(|labels| labels.get(&requirement.key)).and_then(Value::as_str))
        })
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Greater(bound) => number().is_some_and(|n| n > *bound),
            Test::Less(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::In(values) if values.len() == 1 => write!(f, "{key}={}", values.concat())?,
                Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", values.concat())?,
                Test::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Test::Exists => write!(f, "{key}")?,
                Test::Absent => write!(f, "!{key}")?,
                Test::Greater(bound) => write!(f, "{key}>{bound}")?,
                Test::Less(bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
