//! What there is: groups, versions, resources, schemas.

mod aggregated;
mod legacy;
mod openapi;

use std::sync::Arc;

use aws_lc_rs::digest;
use http::HeaderMap;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use isthmus_local_machinery::status::ApiError;
use serde_json::Value;

use crate::core::Core;
use crate::http::negotiate::aggregated_discovery;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::registry::{Catalog, Remote};

/// The answer if the path is one of discovery's.
pub(crate) async fn answer(
    core: &Arc<Core>,
    path: &str,
    headers: &HeaderMap,
    query: &str,
) -> Option<Result<Reply, ApiError>> {
    let catalog = core.registry.now();
    let aggregated = aggregated_discovery(headers);
    if let ("/apis", Some(version)) = (path.trim_end_matches('/'), aggregated) {
        let document = aggregated::groups(core, &catalog, version).await;
        return Some(Ok(tagged(&document, version, headers)));
    }
    if let Some(remote) = remote(&catalog, path) {
        return Some(crate::remote::resources(core, &remote).await);
    }
    local(&catalog, path, aggregated, headers, query)
}

/// The backend whose resources the path asks for.
fn remote(catalog: &Catalog, path: &str) -> Option<Arc<Remote>> {
    let (group, version) = path.strip_prefix("/apis/")?.trim_end_matches('/').split_once('/')?;
    catalog.remote(group, version).cloned()
}

/// What needs nobody else to be asked.
fn local(
    catalog: &Catalog,
    path: &str,
    aggregated: Option<&'static str>,
    headers: &HeaderMap,
    query: &str,
) -> Option<Result<Reply, ApiError>> {
    let found = |document: Option<Value>| match document {
        Some(document) => Some(Ok(reply::json(200, &document))),
        None => Some(Err(ApiError::no_such_resource())),
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (parts.as_slice(), aggregated) {
        (["api"], Some(version)) => Some(Ok(tagged(&aggregated::core(catalog, version), version, headers))),
        (["api"], None) => found(Some(legacy::versions())),
        (["apis"], _) => found(Some(legacy::groups(catalog))),
        (["api", version], _) => found(legacy::resources(catalog, "", version)),
        (["apis", group], _) => found(legacy::group(catalog, group)),
        (["apis", group, version], _) => found(legacy::resources(catalog, group, version)),
        (["openapi", "v2"], _) => Some(Ok(openapi::second_version(headers))),
        (["openapi", "v3"], _) => Some(Ok(openapi::index(catalog))),
        (["openapi", "v3", rest @ ..], _) => Some(openapi::document(catalog, rest, headers, &Query::parse(query))),
        _ => None,
    }
}

/// The hash of a document, as an ETag and as `?hash=`.
fn hash(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// An aggregated document with its ETag; 304 if the client has it.
fn tagged(document: &Value, version: &str, headers: &HeaderMap) -> Reply {
    let bytes = reply::line(document);
    let tag = format!("\"{}\"", hash(&bytes));
    let same = headers.get(IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let media = match version {
        "v2beta1" => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    };
    let mut reply = if same { reply::bytes(304, media, Vec::new()) } else { reply::bytes(200, media, bytes) };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        reply.headers_mut().insert(ETAG, tag);
    }
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    reply
}
