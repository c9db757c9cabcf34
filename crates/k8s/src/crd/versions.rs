//! The older versions of SMI's kinds: their schemas are v1alpha4's, less what came later, in the places where it was.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
    JSONSchemaPropsOrArray, ServiceReference, WebhookClientConfig, WebhookConversion,
};

use crate::convert::Version;

/// Name in the cluster of each definition whose objects are converted.
pub const CONVERTED: [&str; 4] = [
    "httproutegroups.specs.smi-spec.io",
    "tcproutes.specs.smi-spec.io",
    "trafficsplits.split.smi-spec.io",
    "traffictargets.access.smi-spec.io",
];
/// Path under which the controller converts.
pub const CONVERT_PATH: &str = "/convert";
/// Where the controller is, unless it writes something else into the definitions.
const CONTROLLER: (&str, &str) = ("isthmus-system", "isthmus-controller");
/// A Kubernetes Quantity that isn't negative.
const QUANTITY: &str = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$";

/// Serves all four versions, converted by the controller.
pub(super) fn all_versions(
    mut crd: CustomResourceDefinition,
    shape: fn(Version, &mut JSONSchemaProps),
) -> CustomResourceDefinition {
    let Some(stored) = crd.spec.versions.first().cloned() else { return crd };
    let older = Version::ALL.into_iter().rev().skip(1).map(|version| {
        let mut served =
            CustomResourceDefinitionVersion { name: version.as_str().to_owned(), storage: false, ..stored.clone() };
        if let Some(schema) = served.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            shape(version, schema);
        }
        if !has_spec(&served) {
            for column in served.additional_printer_columns.iter_mut().flatten() {
                column.json_path = column.json_path.replacen(".spec.", ".", 1);
            }
        }
        served
    });
    let older: Vec<_> = older.collect();
    crd.spec.versions.extend(older);
    let (namespace, name) = CONTROLLER;
    // From the first moment: without it an object of an older version would be stored as if it were v1alpha4's. Until
    // the controller answers, the older versions are refused.
    crd.spec.conversion = Some(CustomResourceConversion {
        strategy: "Webhook".to_owned(),
        webhook: Some(WebhookConversion {
            client_config: Some(WebhookClientConfig {
                service: Some(ServiceReference {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    path: Some(CONVERT_PATH.to_owned()),
                    port: Some(443),
                }),
                ..WebhookClientConfig::default()
            }),
            conversion_review_versions: vec!["v1".to_owned()],
        }),
    });
    crd
}

fn has_spec(version: &CustomResourceDefinitionVersion) -> bool {
    let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    schema.and_then(|schema| schema.properties.as_ref()).is_some_and(|fields| fields.contains_key("spec"))
}

pub(super) fn split(version: Version, schema: &mut JSONSchemaProps) {
    let Some(spec) = property(schema, "spec") else { return };
    if version <= Version::V1Alpha2 {
        remove(spec, "matches");
    }
    let weight = property(spec, "backends").and_then(items).and_then(|backend| property(backend, "weight"));
    if let Some(weight) = weight.filter(|_| version == Version::V1Alpha1) {
        *weight = JSONSchemaProps {
            description: Some("Relative to the sum of all, as a Quantity: `500m` is half of `1`.".to_owned()),
            x_kubernetes_int_or_string: Some(true),
            any_of: Some(["integer", "string"].map(typed).into()),
            pattern: Some(QUANTITY.to_owned()),
            minimum: Some(0.0),
            ..JSONSchemaProps::default()
        };
    }
}

pub(super) fn target(version: Version, schema: &mut JSONSchemaProps) {
    if version > Version::V1Alpha2 {
        return;
    }
    let Some(spec) = property(schema, "spec") else { return };
    if let Some(port) = property(spec, "destination").and_then(|subject| property(subject, "port")) {
        port.description = Some("The only port that is opened; all of them when absent.".to_owned());
        (port.nullable, port.minimum, port.maximum) = (None, Some(1.0), Some(65535.0));
    }
    let sources = property(spec, "sources").and_then(items);
    if let Some(port) = sources.and_then(|subject| property(subject, "port")) {
        port.description = Some("Of no effect.".to_owned());
    }
    if version == Version::V1Alpha1 {
        flatten(schema, &[("destination", "destination"), ("rules", "specs"), ("sources", "sources")]);
    }
}

pub(super) fn group(version: Version, schema: &mut JSONSchemaProps) {
    if version == Version::V1Alpha1 {
        let matches = property(schema, "spec").and_then(|spec| property(spec, "matches")).and_then(items);
        matches.into_iter().for_each(|entry| remove(entry, "headers"));
    }
    if version <= Version::V1Alpha2 {
        flatten(schema, &[("matches", "matches")]);
    }
}

pub(super) fn tcp_route(version: Version, schema: &mut JSONSchemaProps) {
    match version {
        Version::V1Alpha1 | Version::V1Alpha2 => remove(schema, "spec"),
        Version::V1Alpha3 => {
            schema.required = None;
            property(schema, "spec").into_iter().for_each(|spec| remove(spec, "matches"));
        }
        Version::V1Alpha4 => {}
    }
}

/// Moves what is in `spec` to where the first versions had it.
fn flatten(schema: &mut JSONSchemaProps, names: &[(&str, &str)]) {
    let Some(spec) = schema.properties.as_mut().and_then(|fields| fields.remove("spec")) else { return };
    let named = |wrapped: &str| names.iter().find(|(from, _)| *from == wrapped).map(|(_, flat)| (*flat).to_owned());
    let required = spec.required.iter().flatten().filter_map(|name| named(name));
    let required: Vec<String> = required.collect();
    schema.required = (!required.is_empty()).then_some(required);
    let fields = spec.properties.into_iter().flatten();
    let fields = fields.filter_map(|(name, field)| Some((named(&name)?, field)));
    schema.properties.get_or_insert_default().extend(fields);
}

fn property<'a>(schema: &'a mut JSONSchemaProps, name: &str) -> Option<&'a mut JSONSchemaProps> {
    schema.properties.as_mut()?.get_mut(name)
}

fn items(schema: &mut JSONSchemaProps) -> Option<&mut JSONSchemaProps> {
    match schema.items.as_mut()? {
        JSONSchemaPropsOrArray::Schema(items) => Some(items),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}

fn remove(schema: &mut JSONSchemaProps, name: &str) {
    if let Some(properties) = &mut schema.properties {
        properties.remove(name);
    }
    if let Some(required) = &mut schema.required {
        required.retain(|required| required != name);
    }
    schema.required.take_if(|required| required.is_empty());
    schema.properties.take_if(|properties| properties.is_empty());
}

fn typed(name: &str) -> JSONSchemaProps {
    JSONSchemaProps { type_: Some(name.to_owned()), ..JSONSchemaProps::default() }
}
