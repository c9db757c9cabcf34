//! What a path names.

use http::Method;

use super::query::decode;

/// A path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Something under `/api/v1` or `/apis/<group>/<version>`.
    Resource(ResourcePath),
    /// Anything else, by its path.
    Other(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    pub(crate) fn parse(path: &str) -> Self {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => Self::Resource(resource("", version, rest)),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => Self::Resource(resource(group, version, rest)),
            _ => Self::Other(path.to_owned()),
        }
    }
}

fn resource(group: &str, version: &str, parts: &[&str]) -> ResourcePath {
    let (namespace, rest) = match parts {
        // `/namespaces/x/finalize` is a subresource of the namespace itself.
        ["namespaces", _, "status" | "finalize"] => (None, parts),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
        _ => (None, parts),
    };
    let part = |i: usize| rest.get(i).map(|text| (*text).to_owned());
    let subresource = rest.get(2..).filter(|more| !more.is_empty()).map(|more| more.join("/"));
    ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace,
        resource: part(0).unwrap_or_default(),
        name: part(1),
        subresource,
    }
}

/// The Kubernetes verb of a method.
pub(crate) fn verb(method: &Method, named: bool, watch: bool) -> &'static str {
    match *method {
        Method::GET | Method::HEAD if watch => "watch",
        Method::GET | Method::HEAD if named => "get",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
