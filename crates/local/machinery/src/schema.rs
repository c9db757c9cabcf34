//! Structural schemas: of custom kinds, parsed from a CRD, and of built-in kinds, from the table of types.
//!
//! CEL rules (`x-kubernetes-validations`) are not evaluated; [`Schema::warnings`] says so for each CRD that has some.

mod checks;
mod decode;
mod defaults;
mod formats;
mod node;
mod parse;
mod prune;
mod typed;
mod validate;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use node::{Node, Type};

use crate::status::{ApiError, Cause};

/// A structural schema: of a custom kind's version, or of a built-in kind. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Schema {
    root: Arc<Node>,
    warnings: Arc<[String]>,
}

impl Schema {
    /// A schema that takes any object; only `metadata` is known.
    #[must_use]
    pub fn any() -> Self {
        let root = Node { ty: Some(Type::Object), preserve: true, ..Node::default() };
        Self { root: Arc::new(typed::with_object_fields(root)), warnings: Arc::default() }
    }

    /// The schema of a type of the table; `None` when it isn't there.
    pub(crate) fn of_type(name: &str) -> Option<Self> {
        Some(Self { root: typed::root(name)?, warnings: Arc::default() })
    }

    /// Parses a CRD version's `openAPIV3Schema`. `apiVersion`, `kind` and `metadata` of the root are added.
    ///
    /// # Errors
    /// The places where the schema isn't structural; `field`s are relative to the schema.
    pub fn parse(openapi: &Value) -> Result<Self, Vec<Cause>> {
        let (root, warnings) = parse::root(openapi)?;
        Ok(Self { root: Arc::new(typed::with_object_fields(root)), warnings: warnings.into() })
    }

    /// What of the schema isn't enforced here (CEL rules), to be sent as `Warning` headers to the writer of the CRD.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Removes the fields that the schema doesn't know.
    pub fn prune(&self, value: &mut Value) {
        prune::walk(&self.root, value, &mut |map, key| {
            map.remove(key);
        });
    }

    /// Sets the defaults of absent fields, and of nulls that aren't allowed.
    pub fn fill_defaults(&self, value: &mut Value) {
        defaults::fill(&self.root, value);
    }

    /// Checks a custom object that has been pruned and defaulted. `old` is the stored one on update: a fault that was there
    /// before, at a place that hasn't changed, is let pass (ratcheting).
    #[must_use]
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<Cause> {
        validate::object(&self.root, new, old)
    }

    /// Paths of fields that the schema doesn't know: `spec.ports[0].foo`.
    #[must_use]
    pub fn unknown_fields(&self, value: &Value) -> Vec<String> {
        prune::unknown(&self.root, value)
    }

    /// Decodes a built-in object as a typed decoder would: unknown fields and nulls are dropped, quantities become text.
    /// Gives the unknown fields' paths.
    ///
    /// # Errors
    /// 400 when a value has the wrong type.
    pub fn decode(&self, value: &mut Value) -> Result<Vec<String>, ApiError> {
        decode::object(&self.root, value)
    }

    pub(crate) fn root(&self) -> &Arc<Node> {
        &self.root
    }
}

#[cfg(test)]
mod tests;
