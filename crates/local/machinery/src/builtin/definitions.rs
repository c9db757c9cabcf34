//! OpenAPI definitions out of k8s-openapi's types.

use k8s_openapi::{
    api::{
        admissionregistration::v1 as admission, apps::v1 as apps, authentication::v1 as authentication,
        authorization::v1 as authorization, autoscaling::v1 as autoscaling, batch::v1 as batch,
        coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
        rbac::v1 as rbac,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
    apimachinery::pkg::apis::meta::v1 as meta,
    kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::schemas::table_name;
use crate::types::{self, Field, List, Message};

pub(super) fn build() -> Map<String, Value> {
    let mut generator = SchemaGenerator::new(SchemaSettings::openapi3());
    macro_rules! add {
        ($($kind:ty),* $(,)?) => { $( generator.subschema_for::<$kind>(); )* };
    }
    add!(
        core::ConfigMap,
        core::Endpoints,
        core::Event,
        core::Namespace,
        core::Node,
        core::Pod,
        core::ReplicationController,
        core::Secret,
        core::Service,
        core::ServiceAccount,
        apps::Deployment,
        apps::ReplicaSet,
        apps::DaemonSet,
        apps::StatefulSet,
        batch::Job,
        discovery::EndpointSlice,
        coordination::Lease,
        events::Event,
        rbac::Role,
        rbac::ClusterRole,
        rbac::RoleBinding,
        rbac::ClusterRoleBinding,
        authentication::TokenReview,
        authentication::TokenRequest,
        authentication::SelfSubjectReview,
        authorization::SubjectAccessReview,
        authorization::LocalSubjectAccessReview,
        authorization::SelfSubjectAccessReview,
        authorization::SelfSubjectRulesReview,
        admission::MutatingWebhookConfiguration,
        admission::ValidatingWebhookConfiguration,
        apiextensions::CustomResourceDefinition,
        apiregistration::APIService,
        autoscaling::Scale,
        meta::ObjectMeta,
        meta::ListMeta,
        meta::DeleteOptions,
        meta::Status,
    );
    let mut all = generator.take_definitions(true);
    for (name, definition) in &mut all {
        wrap_references(definition);
        if let Some(message) = types::message(table_name(name)) {
            mark(definition, message);
        }
    }
    all
}

/// `$ref` takes no neighbours in OpenAPI 3.0: kube-apiserver writes `allOf` with one reference, and kubectl reads that.
fn wrap_references(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let wrapped = |(key, inner): &(&String, &mut Value)| *key == "allOf" && inner.is_array();
            map.iter_mut().filter(|field| !wrapped(field)).for_each(|(_, inner)| wrap_references(inner));
            // JSONSchemaProps has properties of these names: those are schemas, not references.
            if map.get("$ref").is_some_and(Value::is_string)
                && let Some(reference) = map.remove("$ref")
            {
                map.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(wrap_references),
        _ => {}
    }
}

/// Adds the markers of the table to a definition.
fn mark(definition: &mut Value, message: &Message) {
    if message.atomic
        && let Some(map) = definition.as_object_mut()
    {
        map.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
    }
    let Some(properties) = definition.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for field in flattened(message) {
        if let Some(property) = properties.get_mut(&field.json).and_then(Value::as_object_mut) {
            mark_field(property, field);
        }
    }
}

fn flattened(message: &Message) -> Vec<&Field> {
    let mut fields = Vec::new();
    for field in &message.fields {
        match &field.base {
            types::Base::Message(inner) if field.json.is_empty() => {
                fields.extend(types::message(inner).map(flattened).unwrap_or_default());
            }
            _ => fields.push(field),
        }
    }
    fields
}

fn mark_field(property: &mut Map<String, Value>, field: &Field) {
    let mut set = |name: &str, value: Value| {
        property.insert(format!("x-kubernetes-{name}"), value);
    };
    if field.shape == types::Shape::List {
        match &field.list {
            List::Atomic => set("list-type", "atomic".into()),
            List::Set => set("list-type", "set".into()),
            List::Map(keys) => {
                set("list-type", "map".into());
                set("list-map-keys", json!(keys.to_vec()));
            }
        }
    }
    if field.atomic {
        set("map-type", "atomic".into());
    }
    match (field.merge, field.retain_keys) {
        (true, true) => set("patch-strategy", "merge,retainKeys".into()),
        (true, false) => set("patch-strategy", "merge".into()),
        (false, true) => set("patch-strategy", "retainKeys".into()),
        (false, false) => {}
    }
    if let Some(key) = &field.merge_key {
        set("patch-merge-key", key.as_str().into());
    }
}
