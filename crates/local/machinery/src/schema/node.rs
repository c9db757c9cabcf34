//! One level of a schema.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::checks::Checks;
use crate::types::List;

/// The JSON types of OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// Whether the value is of this type. A float without a fraction is an integer, as for kube-apiserver.
    pub(crate) fn takes(self, value: &Value) -> bool {
        match self {
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

/// `additionalProperties`.
#[derive(Debug, Clone, Default)]
pub(crate) enum Additional {
    /// Absent or false: only the named properties.
    #[default]
    None,
    /// `true`, or any JSON.
    Any,
    /// Each other value is of this schema.
    Of(Arc<Node>),
}

/// What a text of a built-in kind must look like to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Text {
    #[default]
    Any,
    Base64,
    Time,
}

/// One level of a schema: the structural part, with the value checks beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// Absent for int-or-string and for any JSON.
    pub(crate) ty: Option<Type>,
    pub(crate) nullable: bool,
    pub(crate) properties: BTreeMap<String, Arc<Node>>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Arc<Node>>,
    /// Unknown fields are kept.
    pub(crate) preserve: bool,
    pub(crate) int_or_string: bool,
    /// A whole Kubernetes object stands here.
    pub(crate) embedded: bool,
    pub(crate) list: List,
    /// A map or struct with one owner.
    pub(crate) atomic: bool,
    /// Built-in kinds: a struct that is there even when empty.
    pub(crate) always: bool,
    pub(crate) default: Option<Value>,
    /// Strategic merge: lists and maps are merged rather than replaced.
    pub(crate) merge: bool,
    pub(crate) merge_key: Option<String>,
    /// Built-in kinds: 32-bit integers.
    pub(crate) int32: bool,
    /// Built-in kinds: a quantity; numbers are rewritten as text.
    pub(crate) quantity: bool,
    /// Built-in kinds: the form of a text.
    pub(crate) text: Text,
    pub(crate) checks: Checks,
}

impl Node {
    /// The schema of a field; `None` when it isn't known (it may still be preserved).
    pub(crate) fn field(&self, name: &str) -> Option<&Arc<Node>> {
        self.properties.get(name).or(match &self.additional {
            Additional::Of(node) => Some(node),
            _ => None,
        })
    }

    /// A field that the schema doesn't describe may stay.
    pub(crate) fn keeps_unknown(&self) -> bool {
        self.preserve
            || matches!(self.additional, Additional::Any)
            || (self.ty.is_none() && self.properties.is_empty() && !self.int_or_string)
    }
}
