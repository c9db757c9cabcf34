//! ServiceProfile: its overrides as a TrafficSplit, its routes as an HTTPRouteGroup that targets and splits may name. Timeouts and
//! retries have no kind here.

use isthmus_core::http_match::HttpMatchSpec;
use serde_json::{Map, Value, json};

use super::condition;
use crate::{
    context::Context,
    fields::{Blame, Fields, body},
    input::Document,
    outcome::{Extent, Outcome},
    quantity,
    smi::{
        beside,
        group::{METHODS, REGEX_MATCH, check},
        made_name, object, service_name,
    },
};

pub(crate) fn translate(
    context: &Context<'_>,
    document: &Document,
    outcome: &mut Outcome,
) -> Result<Vec<Value>, Blame> {
    let name = document.name().ok_or_else(|| Blame::new("metadata.name", "it is missing", "write it"))?;
    let (service, namespace) = service_name(name);
    let own = document.namespace();
    let mut body = body(&document.value)?;
    let mut spec = body.map("spec")?;
    for (key, why, remedy) in [
        ("retryBudget", "retries have a budget of the proxy's own, which isn't set by Service", "see docs/limits.md"),
        (
            "opaquePorts",
            "protocols are detected, server-first ones too",
            "nothing, for most; else the Service's appProtocol: tcp",
        ),
    ] {
        if spec.take(key).is_some() {
            outcome.part(document, spec.at(key), why, remedy);
        }
    }
    let routes = routes(document, outcome, &mut spec)?;
    let mut objects = Vec::new();
    if !routes.is_empty() {
        let mut metadata = beside(document, &made_name(&format!("{service}-routes")));
        // Linkerd's expressions match the whole path: see `condition::is_open`.
        metadata.insert("annotations".into(), json!({ (REGEX_MATCH): "full" }));
        objects.push(object("specs.smi-spec.io", "HTTPRouteGroup", metadata, json!({ "matches": routes })));
        let why = "the routes are named conditions; alone they do nothing, and grant nothing";
        outcome.note(document, "spec.routes", why, "name them in TrafficTargets or splits, or remove the group");
    }
    let overrides = spec.maps("dstOverrides")?;
    if !overrides.is_empty() {
        let split = if own.is_some() && namespace.is_some() && own != namespace {
            let why = "a profile in another namespace than its Service's is for that namespace's clients alone; a split is for all";
            Err(Blame::new(
                "metadata.namespace",
                why,
                "write a split in the Service's namespace, if it is meant for all",
            ))
        } else if context.split.contains(&(own.map(str::to_owned), service.to_owned())) {
            let why = "linkerd-smi has written these from the TrafficSplit that is among the input";
            outcome.note(document, "spec.dstOverrides", why, "nothing: the TrafficSplit is printed");
            Ok(None)
        } else {
            split(document, service, namespace, overrides).map(Some)
        };
        match split {
            Ok(split) => objects.extend(split),
            Err(blame) => outcome.tell(document, Extent::Part, blame),
        }
    }
    spec.end()?;
    body.end()?;
    Ok(objects)
}

fn routes(document: &Document, outcome: &mut Outcome, spec: &mut Fields) -> Result<Vec<Value>, Blame> {
    let mut found = Vec::new();
    for mut route in spec.maps("routes")? {
        let name = route.text("name")?.unwrap_or_default();
        for (key, why, remedy) in [
            ("timeout", "the mesh has no timeout by route", "set it in the client"),
            (
                "isRetryable",
                "only what no application has seen is sent again, whatever the route",
                "let the client retry",
            ),
            (
                "responseClasses",
                "what counts as a failure is fixed: 5xx, and gRPC's equivalents",
                "judge it in Prometheus",
            ),
        ] {
            if route.take(key).is_some_and(|value| value != Value::Bool(false)) {
                outcome.part(document, route.at(key), why, remedy);
            }
        }
        let at = route.at("condition");
        let conditions = route.map("condition").and_then(condition::read);
        if let Some(field) = route.rest().into_iter().next() {
            outcome.part(document, field, "this field isn't known", "look what it is for");
        }
        let paths = conditions.iter().flatten().filter_map(|both| both.path.as_deref());
        if paths.into_iter().any(condition::is_open) {
            let why = "Linkerd anchors a|b as ^a|b$, which begins with a or ends with b; here a or b is the whole path";
            outcome.part(document, &at, why, "write (a|b), if that is what is meant; else one route for each");
        }
        match conditions.and_then(|any| named(&name, &at, any)) {
            Ok(matches) => found.extend(matches),
            Err(blame) => outcome.tell(document, Extent::Part, blame),
        }
    }
    Ok(found)
}

fn named(name: &str, at: &str, any: Vec<condition::Both>) -> Result<Vec<Value>, Blame> {
    let several = any.len() > 1;
    let one = |(index, both): (usize, condition::Both)| {
        let name = if several { format!("{name} ({})", index + 1) } else { name.to_owned() };
        if both == condition::Both::default() {
            return Err(Blame::new(at, "the condition is empty", "say what the route is"));
        }
        let mut value = Map::new();
        value.insert("name".into(), name.clone().into());
        if let Some(path) = &both.path {
            value.insert("pathRegex".into(), path.clone().into());
        }
        if let Some(method) = both.method {
            if !METHODS.contains(&method.as_str()) {
                let why = format!("the method {method} can't be named by an HTTPRouteGroup");
                return Err(Blame::new(at, why, "methods are written in capitals; others can't be named"));
            }
            value.insert("methods".into(), json!([method]));
        }
        let spec = HttpMatchSpec { name, path_regex: both.path, full_match: true, ..HttpMatchSpec::default() };
        check(spec, at)?;
        Ok(Value::Object(value))
    };
    any.into_iter().enumerate().map(one).collect()
}

fn split(document: &Document, service: &str, namespace: Option<&str>, overrides: Vec<Fields>) -> Result<Value, Blame> {
    let (mut names, mut milli) = (Vec::new(), Vec::new());
    for mut entry in overrides {
        let at = entry.at("authority");
        let authority = entry.needed("authority")?;
        let (host, port) =
            authority.split_once(':').map_or((authority.as_str(), None), |(host, port)| (host, Some(port)));
        let (backend, theirs) = service_name(host);
        if port.is_some() {
            let why = "a split keeps the port that was called; a backend can't have one of its own";
            return Err(Blame::new(at, why, "write a split, if the backends serve the root's port"));
        }
        if theirs != namespace && theirs.is_some() {
            let why = "a backend is a Service of the root's namespace";
            return Err(Blame::new(at, why, "import it, or move it"));
        }
        let weight = entry.take("weight").as_ref().and_then(quantity::milli);
        let weight =
            weight.ok_or_else(|| Blame::new(entry.at("weight"), "a weight is a number from 0", "write one"))?;
        entry.end()?;
        names.push(backend.to_owned());
        milli.push(weight);
    }
    let weights = quantity::weights(&milli).ok_or_else(|| {
        Blame::new("spec.dstOverrides", "no whole numbers stand in this proportion", "write smaller weights")
    })?;
    let backends: Vec<Value> =
        names.iter().zip(weights).map(|(service, weight)| json!({ "service": service, "weight": weight })).collect();
    let mut metadata = beside(document, service);
    if let Some(namespace) = namespace {
        metadata.insert("namespace".into(), namespace.into());
    }
    Ok(object("split.smi-spec.io", "TrafficSplit", metadata, json!({ "service": service, "backends": backends })))
}
