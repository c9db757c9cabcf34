//! The value checks beside a schema's structure.

use regex::Regex;
use serde_json::{Number, Value};

/// Checks of one level. Those inside `allOf`… may also speak of fields below.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checks {
    pub(crate) required: Vec<String>,
    pub(crate) enumeration: Vec<Value>,
    pub(crate) minimum: Option<(Number, bool)>,
    pub(crate) maximum: Option<(Number, bool)>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Option<String>,
    pub(crate) length: (Option<u64>, Option<u64>),
    pub(crate) items: (Option<u64>, Option<u64>),
    pub(crate) properties: (Option<u64>, Option<u64>),
    pub(crate) all_of: Vec<super::Node>,
    pub(crate) any_of: Vec<super::Node>,
    pub(crate) one_of: Vec<super::Node>,
    pub(crate) not: Option<Box<super::Node>>,
}
