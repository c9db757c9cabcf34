//! HTTPRoutes that are attached to a Service (GAMMA), as splits.
//!
//! A split has one set of backends for what it matches, and the root Service for all else. So an HTTPRoute can be said if all its
//! rules have the same backends, or if those that differ are a last one for everything else that leads to the root itself.

mod backends;
mod matches;
mod route;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    context::Context,
    fields::{Blame, body},
    input::Document,
    outcome::{Extent, Outcome},
    smi::{beside, made_name, metadata, object, set},
};

pub(crate) fn translate(
    context: &Context<'_>,
    document: &Document,
    outcome: &mut Outcome,
) -> Result<Vec<Value>, Blame> {
    let mut body = body(&document.value)?;
    let mut spec = body.map("spec")?;
    let parents = spec.maps("parentRefs")?;
    if let Some(hostnames) = spec.texts("hostnames")?.filter(|names| !names.is_empty()) {
        let why = format!("a Service is its own name; {} has no meaning for it, there or here", hostnames.join(", "));
        outcome.note(document, spec.at("hostnames"), &why, "nothing");
    }
    let rules = spec.maps("rules")?;
    let rules = rules.into_iter().map(|rule| route::rule(document, outcome, rule)).collect::<Result<Vec<_>, _>>()?;
    spec.end()?;
    body.end()?;
    if parents.is_empty() {
        return Err(Blame::new("spec.parentRefs", "it is attached to nothing", "name the Service"));
    }
    let several = parents.len() > 1;
    let kept = metadata(document, outcome)?;
    let mut objects = Vec::new();
    for parent in parents {
        let at = parent.at("");
        match route::parent(document, parent).and_then(|parent| {
            let name = document.name().unwrap_or_default();
            let name = if several { made_name(&format!("{name}-{}", parent.service)) } else { name.to_owned() };
            split(context, document, outcome, &rules, &parent, &name, &kept)
        }) {
            Ok(made) => objects.extend(made),
            // The other parents are routes of their own.
            Err(blame) if several => {
                let field = format!("{} ({})", blame.field, at.trim_end_matches('.'));
                outcome.tell(document, Extent::Part, Blame { field, ..blame });
            }
            Err(blame) => return Err(blame),
        }
    }
    Ok(objects)
}

fn split(
    context: &Context<'_>,
    document: &Document,
    outcome: &mut Outcome,
    rules: &[route::Rule],
    parent: &route::Parent,
    name: &str,
    kept: &Map<String, Value>,
) -> Result<Vec<Value>, Blame> {
    let shape = route::shape(rules, parent)?;
    backends::check(context, document, outcome, parent, shape.backends)?;
    let mut metadata = kept.clone();
    metadata.insert("name".into(), name.into());
    let mut spec = json!({ "service": parent.service, "backends": backends::values(shape.backends) });
    let mut made = Vec::new();
    if let Some(matches) = shape.matches {
        let group = made_name(&format!("{name}-matches"));
        set(&mut spec, "matches", json!([{ "kind": "HTTPRouteGroup", "name": group }]));
        let matches: Vec<Value> = matches.iter().enumerate().map(|(index, m)| m.value(index)).collect();
        made.push(object(
            "specs.smi-spec.io",
            "HTTPRouteGroup",
            beside(document, &group),
            json!({ "matches": matches }),
        ));
    }
    made.push(object("split.smi-spec.io", "TrafficSplit", metadata, spec));
    Ok(made)
}

/// Several routes of one Service are one there, the most specific match first: a split each would be something else.
pub(crate) fn siblings(documents: &[Document], outcome: &mut Outcome) {
    let mut roots: BTreeMap<(Option<&str>, &str), Vec<&Document>> = BTreeMap::new();
    for document in documents.iter().filter(|document| document.kind() == "HTTPRoute") {
        let parents = document.value.pointer("/spec/parentRefs").and_then(Value::as_array);
        for parent in parents.into_iter().flatten() {
            let of_service = parent.get("kind").is_some_and(|kind| kind == "Service");
            let Some(service) = parent.get("name").and_then(Value::as_str).filter(|_| of_service) else { continue };
            let routes = roots.entry((document.namespace(), service)).or_default();
            if !routes.iter().any(|known| std::ptr::eq(*known, document)) {
                routes.push(document);
            }
        }
    }
    for ((namespace, service), routes) in roots.into_iter().filter(|(_, routes)| routes.len() > 1) {
        let ours = |object: &Value| {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
            let made = routes.iter().filter_map(|route| route.name());
            let mut names = made.flat_map(|name| [name.to_owned(), made_name(&format!("{name}-{service}"))]);
            text("/kind") == Some("TrafficSplit")
                && text("/metadata/namespace") == namespace
                && text("/spec/service") == Some(service)
                && names.any(|name| text("/metadata/name") == Some(name.as_str()))
        };
        outcome.objects.retain(|object| !ours(object));
        for route in routes {
            let why = format!(
                "several HTTPRoutes are attached to {service}, which are one there, the most specific match first"
            );
            let blame = Blame::new("spec.parentRefs", why, "write them as one route");
            outcome.tell(route, Extent::Object, blame);
        }
    }
}
