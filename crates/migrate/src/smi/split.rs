//! TrafficSplit, v1alpha1 to v1alpha4.

use serde_json::{Value, json};

use super::{metadata, object, service_name, set};
use crate::{
    context::Context,
    fields::{Blame, body},
    input::Document,
    origin::Reading,
    outcome::Outcome,
    quantity,
};

pub(crate) fn translate(
    context: &Context<'_>,
    document: &Document,
    outcome: &mut Outcome,
) -> Result<Vec<Value>, Blame> {
    known_version(document, &["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"])?;
    let mut body = body(&document.value)?;
    let mut spec = body.map("spec")?;
    let root = spec.needed("service")?;
    let at_root = spec.at("service");
    same_namespace(document, &at_root, &root)?;

    let (mut services, mut milli) = (Vec::new(), Vec::new());
    for mut backend in spec.maps("backends")? {
        let service = backend.needed("service")?;
        same_namespace(document, &backend.at("service"), &service)?;
        let at = backend.at("weight");
        let weight = backend.take("weight");
        let weight = weight.as_ref().and_then(quantity::milli);
        let weight = weight.ok_or_else(|| Blame::new(at, "a weight is a number from 0", "write one"))?;
        if context.reading == Reading::TraefikMesh && service_name(&service).0 == service_name(&root).0 {
            let why = "Traefik Mesh takes a root among its own backends for a loop, and drops the split; here the root's own endpoints get this share";
            outcome.note(document, backend.at("service"), why, "look whether that is meant");
        }
        backend.end()?;
        // A backend is named as a Service of the split's own namespace.
        services.push(service_name(&service).0.to_owned());
        milli.push(weight);
    }
    let weights = quantity::weights(&milli).ok_or_else(|| {
        Blame::new(spec.at("backends"), "no whole numbers below 2³² stand in this proportion", "write smaller weights")
    })?;
    let backends: Vec<Value> = services
        .iter()
        .zip(&weights)
        .map(|(service, weight)| json!({ "service": service, "weight": weight }))
        .collect();

    let mut translated = json!({ "service": root, "backends": backends });
    let mut matches = Vec::new();
    for mut reference in spec.maps("matches")? {
        let (kind, name, group) = (reference.needed("kind")?, reference.needed("name")?, reference.text("apiGroup")?);
        if kind != "HTTPRouteGroup" || !matches!(group.as_deref(), None | Some("" | "specs.smi-spec.io")) {
            let why = "a split refers to HTTPRouteGroups alone";
            return Err(Blame::new(reference.at("kind"), why, "write the condition as an HTTPRouteGroup"));
        }
        reference.end()?;
        matches.push(json!({ "kind": kind, "name": name }));
    }
    if !matches.is_empty() {
        set(&mut translated, "matches", matches);
    }
    spec.end()?;
    body.end()?;
    Ok(vec![object("split.smi-spec.io", "TrafficSplit", metadata(document, outcome)?, translated)])
}

/// Versions that this program has never seen are not guessed at.
pub(super) fn known_version(document: &Document, known: &[&str]) -> Result<(), Blame> {
    if known.contains(&document.version()) {
        return Ok(());
    }
    let why = format!("{} of this kind isn't known; known are {}", document.version(), known.join(", "));
    Err(Blame::new("apiVersion", why, "write it in one of these versions"))
}

/// A split and its Services share a namespace; what can't be compared is judged when it is applied.
fn same_namespace(document: &Document, field: &str, service: &str) -> Result<(), Blame> {
    match (document.namespace(), service_name(service)) {
        (_, ("", _)) => Err(Blame::new(field, "it names no Service", "write the Service's name")),
        (Some(own), (_, Some(other))) if own != other => {
            let why = format!("it names a Service of namespace {other}, and a split works on those of its own, {own}");
            Err(Blame::new(
                field,
                why,
                "write the split in the namespace of its root; a Service elsewhere can't be a backend",
            ))
        }
        _ => Ok(()),
    }
}
