//! CustomResourceDefinitions.

use std::collections::HashSet;

use serde_json::Value;

use super::{admission, immutable, list, names, one_of, text};
use crate::{schema::Schema, status::Cause};

pub(super) fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    let given = spec.get("names").unwrap_or(&empty);
    let wanted = format!("{}.{}", text(given, "plural"), text(spec, "group"));
    let name = crate::meta::name(new);
    if name != wanted {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &name.into(), why));
    }
    let group = text(spec, "group");
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if names::subdomain(group).is_some() || !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
    }
    one_of(spec, "scope", "spec.scope", &["Cluster", "Namespaced"], causes);
    for part in ["plural", "singular", "kind", "listKind"] {
        let value = text(given, part);
        if value.is_empty() {
            causes.push(Cause::required(format!("spec.names.{part}"), ""));
        } else if let Some(why) = names::label_1035(&value.to_lowercase()) {
            causes.push(Cause::invalid(format!("spec.names.{part}"), &value.into(), &why));
        }
    }
    if text(given, "kind") == text(given, "listKind") && !text(given, "kind").is_empty() {
        let why = "kind and listKind may not be the same";
        causes.push(Cause::invalid("spec.names.listKind", &text(given, "listKind").into(), why));
    }
    versions(spec, causes);
    conversion(spec, causes);
    for (pointer, field) in [
        ("/spec/scope", "spec.scope"),
        ("/spec/group", "spec.group"),
        ("/spec/names/kind", "spec.names.kind"),
        ("/spec/names/plural", "spec.names.plural"),
    ] {
        immutable(new, old, pointer, field, causes);
    }
    if let Some(old) = old {
        stored(spec, old, causes);
    }
}

fn versions(spec: &Value, causes: &mut Vec<Cause>) {
    let (mut taken, mut storage) = (HashSet::new(), 0);
    if list(spec, "versions").next().is_none() {
        causes.push(Cause::required("spec.versions", ""));
        return;
    }
    for (i, version) in list(spec, "versions") {
        let field = format!("spec.versions[{i}]");
        let name = text(version, "name");
        if let Some(why) = names::label_1035(name) {
            causes.push(Cause::invalid(format!("{field}.name"), &name.into(), &why));
        }
        if !taken.insert(name) {
            causes.push(Cause::duplicate(format!("{field}.name"), &name.into()));
        }
        storage += usize::from(version.get("storage").and_then(Value::as_bool).unwrap_or(false));
        let at = format!("{field}.schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            None => causes.push(Cause::required(at, "schemas are required")),
            Some(schema) => {
                let faults = Schema::parse(schema).err().unwrap_or_default();
                causes.extend(faults.into_iter().map(|cause| {
                    let within = if cause.field.is_empty() { at.clone() } else { format!("{at}.{}", cause.field) };
                    Cause { field: within, ..cause }
                }));
            }
        }
        for (j, column) in list(version, "additionalPrinterColumns") {
            let field = format!("{field}.additionalPrinterColumns[{j}]");
            for part in ["name", "jsonPath"] {
                if text(column, part).is_empty() {
                    causes.push(Cause::required(format!("{field}.{part}"), ""));
                }
            }
            if crate::jsonpath::Path::parse(text(column, "jsonPath")).is_err() {
                let shown = column.get("jsonPath").unwrap_or(&Value::Null);
                causes.push(Cause::invalid(
                    format!("{field}.jsonPath"),
                    shown,
                    "is not a JSONPath that printer columns can use",
                ));
            }
            one_of(
                column,
                "type",
                &format!("{field}.type"),
                &["boolean", "date", "integer", "number", "string"],
                causes,
            );
        }
    }
    if storage != 1 {
        let shown = spec.get("versions").map(|_| Value::from(storage)).unwrap_or_default();
        causes.push(Cause::invalid("spec.versions", &shown, "must have exactly one version marked as storage version"));
    }
}

fn conversion(spec: &Value, causes: &mut Vec<Cause>) {
    let Some(conversion) = spec.get("conversion") else { return };
    one_of(conversion, "strategy", "spec.conversion.strategy", &["None", "Webhook"], causes);
    if text(conversion, "strategy") != "Webhook" {
        return;
    }
    let empty = Value::Null;
    let webhook = conversion.get("webhook").unwrap_or(&empty);
    let at = "spec.conversion.webhook";
    admission::client(webhook.get("clientConfig").unwrap_or(&empty), &format!("{at}.clientConfig"), causes);
    if !list(webhook, "conversionReviewVersions").any(|(_, v)| v.as_str() == Some("v1")) {
        let shown = webhook.get("conversionReviewVersions").unwrap_or(&empty);
        causes.push(Cause::invalid(
            format!("{at}.conversionReviewVersions"),
            shown,
            "must include at least one of v1, v1beta1",
        ));
    }
}

/// A version in which objects may still be stored can't be dropped.
fn stored(spec: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    for (i, version) in list(old.get("status").unwrap_or(&empty), "storedVersions") {
        if !list(spec, "versions").any(|(_, known)| known.get("name") == Some(version)) {
            let why = format!(
                "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {version} and removes {version} from status.storedVersions"
            );
            causes.push(Cause::invalid(format!("status.storedVersions[{i}]"), version, &why));
        }
    }
}
