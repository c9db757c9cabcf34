//! The built-in kinds: their names, and their schemas from k8s-openapi with our own list and merge markers.

mod definitions;
mod kinds;
mod schemas;

use std::sync::OnceLock;

pub use schemas::{definitions, schema, schema_name};

use crate::resource::Resource;

/// Every built-in kind, in discovery's order.
#[must_use]
pub fn all() -> &'static [Resource] {
    static ALL: OnceLock<Vec<Resource>> = OnceLock::new();
    ALL.get_or_init(kinds::table)
}

/// The kind that a path names by its plural.
#[must_use]
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    all().iter().find(|r| r.group == group && r.version == version && r.plural == plural)
}

/// The kind that an object names.
#[must_use]
pub fn by_kind(group: &str, version: &str, kind: &str) -> Option<&'static Resource> {
    all().iter().find(|r| r.group == group && r.version == version && r.kind == kind)
}

#[cfg(test)]
mod tests;
