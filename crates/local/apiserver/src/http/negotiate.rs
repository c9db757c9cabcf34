//! `Accept`: in which form an answer goes out.

use http::HeaderMap;
use http::header::ACCEPT;
use isthmus_local_machinery::status::ApiError;

/// The form of an object or list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Object,
    /// `meta.k8s.io` `Table`.
    Table,
    /// `PartialObjectMetadata`, or its list.
    Metadata,
}

/// The first form in the header that is offered; JSON without a header.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let mut any = false;
    for range in ranges(headers) {
        any = true;
        if !range.is_json() {
            continue;
        }
        let meta = range.param("g") == Some("meta.k8s.io") && matches!(range.param("v"), Some("v1" | "v1beta1"));
        match range.param("as") {
            None => return Ok(Form::Object),
            Some("Table") if meta => return Ok(Form::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if meta => return Ok(Form::Metadata),
            Some(_) => {}
        }
    }
    if any { Err(ApiError::not_acceptable(&["application/json"])) } else { Ok(Form::Object) }
}

/// The version (`v2`, `v2beta1`) of aggregated discovery that the client prefers over the plain lists.
pub(crate) fn aggregated_discovery(headers: &HeaderMap) -> Option<&'static str> {
    for range in ranges(headers).into_iter().filter(Range::is_json) {
        match (range.param("as"), range.param("v")) {
            (Some("APIGroupDiscoveryList"), Some("v2")) => return Some("v2"),
            (None, _) => return None,
            _ => {}
        }
    }
    None
}

/// Is this very media type asked for?
pub(crate) fn accepts(headers: &HeaderMap, media: &str) -> bool {
    ranges(headers).iter().any(|range| range.media.eq_ignore_ascii_case(media))
}

struct Range {
    media: String,
    params: Vec<(String, String)>,
}

impl Range {
    fn is_json(&self) -> bool {
        matches!(self.media.as_str(), "application/json" | "*/*" | "application/*")
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn ranges(headers: &HeaderMap) -> Vec<Range> {
    let texts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = texts.flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty());
    let parse = |text: &str| {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let params = parts.filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Range { media, params }
    };
    ranges.map(parse).collect()
}

/// A media type without its parameters.
pub(crate) fn media_type(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
