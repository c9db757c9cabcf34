//! Route groups as matches of an HTTPRoute: one for each method. SMI anchors paths at their beginning and searches headers; those
//! who serve Gateway API's `RegularExpression` match the whole, so the expressions are written for that.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{context, fields::Blame, input::Document, smi::group::REGEX_MATCH};

/// Conditions on headers in one match: `HTTPRouteMatch.headers` in Gateway API's apis/v1/httproute_types.go.
const MOST_HEADERS: usize = 16;
/// Bytes of a path's expression, and of a header's: the `MaxLength` there, which counts characters.
const MOST_PATH: usize = 1024;
const MOST_VALUE: usize = 4096;

/// What a split's groups match.
#[derive(Debug, Default)]
pub(super) struct Matched {
    pub(super) list: Vec<Value>,
    pub(super) caveats: Vec<String>,
}

/// The matches of all groups that a split refers to.
pub(super) fn of(
    objects: &[Document],
    namespace: Option<&str>,
    references: &Value,
    used: &mut BTreeSet<(Option<String>, String)>,
) -> Result<Matched, Blame> {
    let mut matched = Matched::default();
    let mut expressions = false;
    for reference in references.as_array().into_iter().flatten() {
        let name = reference.get("name").and_then(Value::as_str).unwrap_or_default();
        let is = |d: &&Document| d.kind() == "HTTPRouteGroup" && d.name() == Some(name) && d.namespace() == namespace;
        let Some(group) = objects.iter().find(is) else {
            let why = format!("the HTTPRouteGroup {name} isn't among the input");
            return Err(Blame::new("spec.matches", why, "give it too"));
        };
        used.insert((namespace.map(str::to_owned), name.to_owned()));
        let full = group.value.pointer("/metadata/annotations").and_then(|a| a.get(REGEX_MATCH)).is_some();
        for entry in context::matches(&group.value) {
            let values = entry_of(entry, full)?;
            expressions |= values.iter().any(|value| value.to_string().contains("RegularExpression"));
            matched.list.extend(values);
        }
    }
    if matched.list.is_empty() {
        let why = "its groups match nothing: all requests go to the root Service";
        return Err(Blame::new("spec.matches", why, "nothing: without a route it is the same there"));
    }
    if expressions {
        matched.caveats.push(
            "RegularExpression is implementation-specific: these are written for meshes that match the whole value (Envoy's, Linkerd)".into(),
        );
    }
    Ok(matched)
}

fn entry_of(entry: &Value, full: bool) -> Result<Vec<Value>, Blame> {
    let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
    let at = |field: &str| format!("spec.matches[{name}].{field}");
    let mut value = Map::new();
    if let Some(path) = entry.get("pathRegex").and_then(Value::as_str) {
        if path.len() > MOST_PATH - 8 {
            return Err(Blame::new(at("pathRegex"), format!("more than {} bytes", MOST_PATH - 8), "write it shorter"));
        }
        if let Some(path) = path_of(path, full) {
            value.insert("path".into(), path);
        }
    }
    let headers = headers(entry);
    if headers.len() > MOST_HEADERS {
        return Err(Blame::new(at("headers"), format!("more than {MOST_HEADERS}"), "write fewer"));
    }
    let mut list = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (header, expression) in headers {
        // Of equal names only the first would count there.
        if !names.insert(header.to_ascii_lowercase()) {
            return Err(Blame::new(at("headers"), format!("{header} stands twice"), "write one expression for both"));
        }
        if expression.len() > MOST_VALUE - 8 {
            return Err(Blame::new(at("headers"), format!("more than {} bytes", MOST_VALUE - 8), "write it shorter"));
        }
        list.push(header_of(header, expression, full));
    }
    if !list.is_empty() {
        value.insert("headers".into(), list.into());
    }
    let methods: Vec<&str> =
        entry.get("methods").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if methods.is_empty() || methods.contains(&"*") {
        // A match of everything must say so: one that is empty is the same, and reads like a mistake.
        if value.is_empty() {
            value.insert("path".into(), json!({ "type": "PathPrefix", "value": "/" }));
        }
        return Ok(vec![value.into()]);
    }
    let with = |method: &&str| {
        let mut value = value.clone();
        value.insert("method".into(), (*method).into());
        Value::Object(value)
    };
    Ok(methods.iter().map(with).collect())
}

fn headers(entry: &Value) -> Vec<(&str, &str)> {
    let maps = match entry.get("headers") {
        None => return Vec::new(),
        Some(Value::Array(list)) => list.as_slice(),
        Some(map) => std::slice::from_ref(map),
    };
    let pairs = maps.iter().filter_map(Value::as_object).flatten();
    pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
}

/// No character of it means anything to an expression.
fn is_literal(text: &str) -> bool {
    let dashless = text.replace('-', "");
    regex::escape(&dashless) == dashless
}

/// What stands between the anchors, if it has both and they hold for all of it.
fn between(expression: &str) -> Option<&str> {
    let inner = expression.strip_prefix('^')?.strip_suffix('$')?;
    (!inner.contains('|') && !inner.ends_with('\\')).then_some(inner)
}

/// `None` for every path.
fn path_of(path: &str, full: bool) -> Option<Value> {
    let bare = path.strip_prefix('^').unwrap_or(path);
    if [".*", "/.*"].contains(&bare) || (!full && ["", "/"].contains(&bare)) {
        return None;
    }
    // Only what says its own end can be an exact path.
    let whole = if full { Some(bare) } else { bare.strip_suffix('$') };
    if let Some(whole) = whole.filter(|whole| whole.starts_with('/') && !whole.contains("//") && is_literal(whole)) {
        return Some(json!({ "type": "Exact", "value": whole }));
    }
    let expression = if full { path.to_owned() } else { format!("{}.*", grouped(path)) };
    Some(json!({ "type": "RegularExpression", "value": expression }))
}

fn header_of(name: &str, expression: &str, full: bool) -> Value {
    let whole = between(expression).or(full.then_some(expression));
    match whole {
        Some(literal) if is_literal(literal) && !literal.is_empty() => {
            json!({ "name": name, "type": "Exact", "value": literal })
        }
        Some(whole) => json!({ "name": name, "type": "RegularExpression", "value": whole }),
        None => json!({ "name": name, "type": "RegularExpression", "value": format!(".*{}.*", grouped(expression)) }),
    }
}

/// So that an alternative doesn't take what is put beside it for its own.
fn grouped(expression: &str) -> String {
    if expression.contains('|') || expression.contains("(?") {
        format!("(?:{expression})")
    } else {
        expression.to_owned()
    }
}
