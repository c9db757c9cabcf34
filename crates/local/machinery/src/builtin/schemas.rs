//! Schemas of the built-in kinds: ours from the table of types, and OpenAPI definitions from k8s-openapi with our markers.

use std::{collections::HashMap, sync::OnceLock};

use serde_json::{Map, Value};

use super::definitions as generated;
use crate::{resource::Resource, schema::Schema, types};

/// The parsed schema of a built-in kind; `None` for a kind that isn't built in.
#[must_use]
pub fn schema(resource: &Resource) -> Option<&'static Schema> {
    static ALL: OnceLock<HashMap<String, Schema>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let names = super::all().iter().map(|r| types::type_name(&r.group, &r.version, &r.kind));
        names.filter_map(|name| Some((name.clone(), Schema::of_type(&name)?))).collect()
    });
    all.get(&types::type_name(&resource.group, &resource.version, &resource.kind))
}

/// The OpenAPI name (`io.k8s.api.core.v1.Pod`) of a built-in kind's schema.
#[must_use]
pub fn schema_name(resource: &Resource) -> Option<&'static str> {
    let wanted = types::type_name(&resource.group, &resource.version, &resource.kind);
    definitions().keys().find(|name| table_name(name) == wanted).map(String::as_str)
}

/// `io.k8s.api.core.v1.Pod` is `core.v1.Pod` in the table.
pub(super) fn table_name(openapi: &str) -> &str {
    openapi.rmatch_indices('.').nth(2).and_then(|(at, _)| openapi.get(at + 1..)).unwrap_or(openapi)
}

/// All OpenAPI v3 definitions of the built-in kinds, by name, with `$ref`s as `#/components/schemas/…`.
#[must_use]
pub fn definitions() -> &'static Map<String, Value> {
    static ALL: OnceLock<Map<String, Value>> = OnceLock::new();
    ALL.get_or_init(generated::build)
}
