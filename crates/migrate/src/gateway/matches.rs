//! A match of a route, as an entry of a route group.

use isthmus_core::http_match::HttpMatchSpec;
use serde_json::{Map, Value, json};

use crate::{
    fields::{Blame, Fields},
    smi::group::{METHODS, check, sound},
};

/// What a request must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Match {
    path: Option<String>,
    method: Option<String>,
    headers: Vec<(String, String)>,
}

impl Match {
    pub(super) fn read(mut fields: Fields) -> Result<Self, Blame> {
        let path = path(fields.map("path")?)?;
        let at_method = fields.at("method");
        let method = fields.text("method")?;
        if let Some(strange) = method.as_ref().filter(|m| !METHODS.contains(&m.as_str()) || m.as_str() == "*") {
            return Err(Blame::new(
                at_method,
                format!("{strange} can't be named by an HTTPRouteGroup"),
                "name another",
            ));
        }
        if !fields.list("queryParams")?.is_empty() {
            let why = "an HTTPRouteGroup doesn't look at the query";
            return Err(Blame::new(fields.at("queryParams"), why, "tell requests apart by path or header"));
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for header in fields.maps("headers")? {
            let at = header.at("name");
            let (name, expression) = self::header(header)?;
            // Of equal names the first counts there; both must match here.
            if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                return Err(Blame::new(at, format!("{name} stands twice"), "write it once"));
            }
            headers.push((name, expression));
        }
        let at = fields.at("path");
        fields.end()?;
        let spec = HttpMatchSpec { path_regex: path.clone(), headers: headers.clone(), ..HttpMatchSpec::default() };
        check(spec, &at)?;
        Ok(Self { path, method, headers })
    }

    pub(super) fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// As an entry of a route group.
    pub(super) fn value(&self, index: usize) -> Value {
        let mut value = Map::new();
        value.insert("name".into(), format!("match-{}", index + 1).into());
        if let Some(path) = &self.path {
            value.insert("pathRegex".into(), path.clone().into());
        }
        if let Some(method) = &self.method {
            value.insert("methods".into(), json!([method]));
        }
        if !self.headers.is_empty() {
            let headers: Map<String, Value> = self.headers.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect();
            value.insert("headers".into(), headers.into());
        }
        value.into()
    }
}

/// Expressions are anchored at their beginning here; the end is ours to say.
fn path(mut fields: Fields) -> Result<Option<String>, Blame> {
    let kind = fields.text("type")?.unwrap_or_else(|| "PathPrefix".into());
    let value = fields.text("value")?.unwrap_or_else(|| "/".into());
    let at = fields.at("type");
    fields.end()?;
    Ok(match kind.as_str() {
        "Exact" => Some(format!("{}$", regex::escape(&value))),
        // By whole segments; a slash at the end makes no difference.
        "PathPrefix" => match value.trim_end_matches('/') {
            "" => None,
            prefix => Some(format!("{}(?:/|$)", regex::escape(prefix))),
        },
        // Those who serve it match the whole path.
        "RegularExpression" => {
            sound(&value, &at)?;
            Some(format!("(?:{value})$"))
        }
        other => return Err(Blame::new(at, format!("paths of type {other} aren't known"), "use Exact or PathPrefix")),
    })
}

/// Header expressions are searched for here, unless they are anchored.
fn header(mut fields: Fields) -> Result<(String, String), Blame> {
    let kind = fields.text("type")?.unwrap_or_else(|| "Exact".into());
    let (name, value) = (fields.needed("name")?, fields.text("value")?.unwrap_or_default());
    let at = fields.at("type");
    fields.end()?;
    match kind.as_str() {
        "Exact" => Ok((name, format!("^{}$", regex::escape(&value)))),
        "RegularExpression" => {
            sound(&value, &at)?;
            Ok((name, format!("^(?:{value})$")))
        }
        other => Err(Blame::new(at, format!("headers of type {other} aren't known"), "use Exact")),
    }
}
