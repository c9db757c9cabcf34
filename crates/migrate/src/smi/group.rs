//! HTTPRouteGroup, v1alpha1 to v1alpha4. Expressions keep what they have meant where they come from.

use isthmus_core::http_match::{HttpMatch, HttpMatchSpec};
use serde_json::{Map, Value, json};

use super::{metadata, object, split::known_version};
use crate::{
    context::Context,
    fields::{Blame, Fields, body},
    input::Document,
    origin::Reading,
    outcome::Outcome,
};

/// Set to `full` on a group, its expressions match the whole path and header value.
pub(crate) const REGEX_MATCH: &str = "isthmus.mesh/regex-match";
/// The methods that the kind's schema admits.
pub(crate) const METHODS: [&str; 10] =
    ["*", "GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

pub(crate) fn translate(
    context: &Context<'_>,
    document: &Document,
    outcome: &mut Outcome,
) -> Result<Vec<Value>, Blame> {
    known_version(document, &["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"])?;
    let mut body = body(&document.value)?;
    let wrapped = matches!(document.version(), "v1alpha3" | "v1alpha4");
    let mut spec = if wrapped { body.map("spec")? } else { Fields::of("", Value::Object(Map::new()))? };
    let entries = if wrapped { spec.maps("matches")? } else { body.maps("matches")? };
    let mut matches = Vec::new();
    for entry in entries {
        // A match that is left out grants nothing, to a rule that names it and to one that means all.
        match one(context.reading, document, outcome, entry) {
            Ok(entry) => matches.push(entry),
            Err(Blame { field, why, remedy }) => outcome.part(document, field, &why, &remedy),
        }
    }
    spec.end()?;
    body.end()?;
    let mut metadata = metadata(document, outcome)?;
    if context.reading == Reading::Osm {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.entry(REGEX_MATCH).or_insert_with(|| "full".into());
        }
    }
    Ok(vec![object("specs.smi-spec.io", "HTTPRouteGroup", metadata, json!({ "matches": matches }))])
}

fn one(reading: Reading, document: &Document, outcome: &mut Outcome, mut entry: Fields) -> Result<Value, Blame> {
    let mut translated = Map::new();
    let name = entry.text("name")?.unwrap_or_default();
    translated.insert("name".into(), name.clone().into());
    let at_path = entry.at("pathRegex");
    let path = entry.text("pathRegex")?;
    path.iter().try_for_each(|path| sound(path, &at_path))?;
    let path = path.and_then(|path| path_of(reading, &path));
    if let Some(path) = &path {
        translated.insert("pathRegex".into(), path.clone().into());
    }
    let at_methods = entry.at("methods");
    if let Some(methods) = entry.texts("methods")?.filter(|methods| !methods.is_empty()) {
        let (known, strange): (Vec<_>, Vec<_>) = methods.into_iter().partition(|m| METHODS.contains(&m.as_str()));
        // None at all would be every method.
        if known.is_empty() {
            let why = format!("none of the methods {} is one that HTTPRouteGroup can name", strange.join(", "));
            return Err(Blame::new(at_methods, why, "methods are written in capitals; others can't be named"));
        }
        if !strange.is_empty() {
            let why = format!("{} can't be named by an HTTPRouteGroup", strange.join(", "));
            outcome.part(document, at_methods, &why, "methods are written in capitals; others can't be named");
        }
        translated.insert("methods".into(), known.into());
    }
    let at_headers = entry.at("headers");
    let headers = entry.take("headers").map_or(Ok(Vec::new()), |headers| headers_of(&at_headers, headers))?;
    if !headers.is_empty() {
        translated.insert("headers".into(), header_value(&headers));
    }
    entry.end()?;
    let full_match = reading == Reading::Osm;
    let spec = HttpMatchSpec { name, path_regex: path, methods: Vec::new(), headers, full_match };
    check(spec, &at_path)?;
    Ok(translated.into())
}

/// What our proxies would refuse is told now.
pub(crate) fn check(spec: HttpMatchSpec, at: &str) -> Result<(), Blame> {
    let remedy = "write it as RE2 or Rust's regex has it";
    HttpMatch::compile(spec).map(drop).map_err(|invalid| Blame::new(at, invalid.to_string(), remedy))
}

/// An expression that is put into another one must be whole by itself: `a)|(b` would slip out of the group round it.
pub(crate) fn sound(expression: &str, at: &str) -> Result<(), Blame> {
    check(HttpMatchSpec { path_regex: Some(expression.to_owned()), ..HttpMatchSpec::default() }, at)
}

/// The expression that means here what it meant there; `None` for every path.
fn path_of(reading: Reading, path: &str) -> Option<String> {
    match reading {
        Reading::Smi => Some(path.to_owned()),
        // Missing is all to OSM, and the empty text is missing.
        Reading::Osm => (!path.is_empty()).then(|| path.to_owned()),
        // PathPrefix(`/{path:EXPRESSION}`), without the expression's own slash: `/a|/b` is `/a` or `//b`.
        Reading::TraefikMesh => match path.strip_prefix('/') {
            _ if path.is_empty() => None,
            Some(rest) if !rest.contains('|') && !rest.starts_with(['*', '+', '?', '{']) => Some(path.to_owned()),
            Some(rest) => Some(format!("/(?:{rest})")),
            None => Some(format!("/(?:{path})")),
        },
    }
}

/// Names and expressions, of a map or of a list of maps.
fn headers_of(at: &str, headers: Value) -> Result<Vec<(String, String)>, Blame> {
    let maps = match headers {
        Value::Array(list) => list,
        map => vec![map],
    };
    let wrong =
        || Blame::new(at, "headers are a map of texts, or a list of such maps", "correct it, and translate again");
    let mut found = Vec::new();
    for map in maps {
        let Value::Object(map) = map else { return Err(wrong()) };
        for (name, value) in map {
            let Value::String(value) = value else { return Err(wrong()) };
            found.push((name, value));
        }
    }
    Ok(found)
}

/// A map; where a name stands twice, a list, for both must match.
fn header_value(headers: &[(String, String)]) -> Value {
    let map: Map<String, Value> = headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    if map.len() == headers.len() {
        return map.into();
    }
    headers.iter().map(|(name, value)| json!({ (name.as_str()): value })).collect::<Vec<_>>().into()
}
