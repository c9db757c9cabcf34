//! `/openapi/v3`: an index with hashes, and a document for each group and version; and what there is of `/openapi/v2`.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use isthmus_local_machinery::openapi::{self, Entry, v2};
use isthmus_local_machinery::status::ApiError;
use serde_json::{Map, Value, json};

use super::hash;
use crate::http::negotiate::accepts;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::registry::Catalog;

/// `/openapi/v2`.
pub(super) fn second_version(headers: &HeaderMap) -> Reply {
    match [v2::ASKED, v2::PROTOBUF].iter().any(|media| accepts(headers, media)) {
        true => reply::bytes(200, v2::PROTOBUF, v2::protobuf()),
        false => reply::json(200, &v2::document()),
    }
}

pub(super) fn index(catalog: &Catalog) -> Reply {
    let mut paths = Map::new();
    let mut add = |group: &str, version: &str, path: String| {
        let url = format!("/openapi/v3/{path}?hash={}", fingerprint(catalog, group, version));
        paths.insert(path, json!({ "serverRelativeURL": url }));
    };
    add("", "v1", "api/v1".to_owned());
    for (group, versions) in catalog.groups() {
        for version in versions {
            if catalog.remote(&group, &version).is_none() {
                add(&group, &version, format!("apis/{group}/{version}"));
            }
        }
    }
    reply::json(200, &json!({ "paths": paths }))
}

pub(super) fn document(
    catalog: &Catalog,
    path: &[&str],
    headers: &HeaderMap,
    query: &Query,
) -> Result<Reply, ApiError> {
    let (group, version) = match path {
        ["api", version] => ("", *version),
        ["apis", group, version] => (*group, *version),
        _ => return Err(ApiError::no_such_resource()),
    };
    let kinds: Vec<_> = catalog.of(group, version).collect();
    if kinds.is_empty() {
        return Err(ApiError::no_such_resource());
    }
    let print = fingerprint(catalog, group, version);
    let tag = format!("\"{print}\"");
    let same = headers.get(IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let mut reply = if same {
        reply::bytes(304, "application/json", Vec::new())
    } else {
        let entries: Vec<Entry<'_>> = kinds
            .iter()
            .map(|kind| Entry {
                resource: &kind.resource,
                schema: kind.custom.as_ref().and_then(|custom| custom.openapi.as_ref()),
            })
            .collect();
        reply::json(200, &openapi::document(group, version, &entries))
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        reply.headers_mut().insert(ETAG, tag);
    }
    if query.get("hash") == Some(print.as_str()) {
        let forever = HeaderValue::from_static("public, immutable, max-age=31536000");
        reply.headers_mut().insert(CACHE_CONTROL, forever);
    }
    Ok(reply)
}

/// Changes when the document does: with this program's version, and with the schemas of custom kinds.
fn fingerprint(catalog: &Catalog, group: &str, version: &str) -> String {
    let mut text = format!("{} {group}/{version}", env!("CARGO_PKG_VERSION"));
    for kind in catalog.of(group, version) {
        let openapi = kind.custom.as_ref().and_then(|custom| custom.openapi.as_ref());
        text.push_str(&format!(" {} {}", kind.resource.plural, openapi.unwrap_or(&Value::Null)));
    }
    hash(text.as_bytes())
}
