//! Label selectors of webhooks. An empty one matches everything.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    match_labels: std::collections::BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expression {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Operator {
    DoesNotExist,
    Exists,
    In,
    NotIn,
}

impl Selector {
    pub(super) fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Does an object with these `metadata.labels` match?
    pub(super) fn matches(&self, labels: &Map<String, Value>) -> bool {
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.match_labels.iter().all(|(key, value)| label(key) == Some(value))
            && self.match_expressions.iter().all(|expression| {
                let found = label(&expression.key);
                let among = found.is_some_and(|found| expression.values.iter().any(|value| value == found));
                match expression.operator {
                    Operator::DoesNotExist => found.is_none(),
                    Operator::Exists => found.is_some(),
                    Operator::In => among,
                    Operator::NotIn => !among,
                }
            })
    }
}
