//! `FieldsV1`: sets of paths as JSON.

use serde_json::{Map, Value};

use super::{
    fields::{Entry, Set},
    path::Step,
};

/// Deepest `fieldsV1` that is read.
const DEPTH_LIMIT: usize = 64;

impl Set {
    pub(super) fn to_fields_v1(&self) -> Value {
        let mut map = Map::new();
        for (step, entry) in &self.below {
            let mut inner = entry.set.to_fields_v1();
            if let Value::Object(fields) = &mut inner
                && entry.member
                && !fields.is_empty()
            {
                fields.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(step.encode(), inner);
        }
        Value::Object(map)
    }

    /// `None` when it isn't `FieldsV1`.
    pub(super) fn from_fields_v1(fields: &Value) -> Option<Self> {
        Self::read(fields, 0)
    }

    fn read(fields: &Value, depth: usize) -> Option<Self> {
        let map = fields.as_object().filter(|_| depth < DEPTH_LIMIT)?;
        let mut set = Self::default();
        for (key, inner) in map {
            if key == "." {
                continue;
            }
            let below = Self::read(inner, depth + 1)?;
            let member = below.is_empty() || inner.get(".").is_some();
            set.below.insert(Step::decode(key)?, Entry { member, set: below });
        }
        Some(set)
    }
}
