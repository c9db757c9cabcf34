//! The AdmissionReview that is sent, and what is believed of the one that comes back. Pure, but for the uid.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::crypto::aws_lc_rs;
use serde_json::{Value, json};

use super::equivalent::View;
use super::{Request, Versioned};

/// A random UUID (version 4).
pub(crate) fn fresh_uid() -> String {
    let mut bytes = [0; 16];
    if aws_lc_rs::default_provider().secure_random.fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random numbers");
    }
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

/// The review for one webhook, with the objects as it wants to see them.
pub(super) fn request(uid: &str, request: &Request, view: &View<'_>) -> Value {
    let kind = |of: &Versioned, version: &str| json!({"group": of.group, "version": version, "kind": of.name});
    let resource = |of: &Versioned, version: &str| json!({"group": of.group, "version": version, "resource": of.name});
    let mut review = json!({
        "uid": uid,
        "kind": kind(&request.kind, view.version),
        "resource": resource(&request.resource, view.version),
        "requestKind": kind(&request.kind, &request.kind.version),
        "requestResource": resource(&request.resource, &request.resource.version),
        "operation": request.operation.as_str(),
        "userInfo": request.user.to_info(),
        "object": view.object,
        "oldObject": view.old,
        "dryRun": request.dry_run,
        "options": request.options,
    });
    if let Some(map) = review.as_object_mut() {
        let texts = [
            ("subResource", &request.subresource),
            ("requestSubResource", &request.subresource),
            ("name", &request.name),
            ("namespace", &request.namespace),
        ];
        for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            map.insert(field.to_owned(), json!(text));
        }
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": review})
}

/// A response that keeps the contract.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Response {
    pub(super) allowed: bool,
    pub(super) code: Option<u16>,
    /// Why not.
    pub(super) message: Option<String>,
    /// The decoded JSONPatch; empty for none.
    pub(super) patch: Vec<u8>,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: Vec<(String, String)>,
}

/// Checks an answer; `mutating` webhooks may patch, others must not.
pub(super) fn response(uid: &str, mutating: bool, review: &Value) -> Result<Response, String> {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text(review, "/apiVersion"), text(review, "/kind"));
    if (version.as_str(), kind.as_str()) != ("admission.k8s.io/v1", "AdmissionReview") {
        return Err(format!(
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {version}, Kind={kind}"
        ));
    }
    let Some(response) = review.get("response").filter(|response| response.is_object()) else {
        return Err("webhook response was absent".to_owned());
    };
    let got = text(response, "/uid");
    if got != uid {
        return Err(format!("expected response.uid={uid:?}, got {got:?}"));
    }
    let allowed = match response.get("allowed") {
        None => false,
        Some(allowed) => allowed.as_bool().ok_or("response.allowed must be a boolean")?,
    };
    let message = [text(response, "/status/message"), text(response, "/status/reason")];
    let code = response.pointer("/status/code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    Ok(Response {
        allowed,
        code,
        message: message.into_iter().find(|text| !text.is_empty()),
        patch: patch(response, mutating)?,
        warnings: response
            .get("warnings")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(warning)
            .collect(),
        annotations: response
            .get("auditAnnotations")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    })
}

fn patch(response: &Value, mutating: bool) -> Result<Vec<u8>, String> {
    let field = |name| response.get(name).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
    match (field("patch"), field("patchType")) {
        (None, None) => Ok(Vec::new()),
        (Some(_), _) if !mutating => Err("validating webhook may not return response.patch".to_owned()),
        (None, Some(_)) if !mutating => Err("validating webhook may not return response.patchType".to_owned()),
        (Some(_), None) => Err("webhook returned response.patch but not response.patchType".to_owned()),
        (None, Some(_)) => Err("webhook returned response.patchType but not response.patch".to_owned()),
        (Some(patch), Some("JSONPatch")) => {
            BASE64_STANDARD.decode(patch).map_err(|error| format!("response.patch is not base64: {error}"))
        }
        (Some(_), Some(other)) => Err(format!("webhook returned invalid response.patchType of {other:?}")),
    }
}

/// A warning is put in a header: 256 bytes at most, no control characters.
fn warning(value: &Value) -> Option<String> {
    const LIMIT: usize = 256;
    let mut text: String = value.as_str()?.chars().filter(|c| !c.is_control()).collect();
    let end = (0..=LIMIT.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.truncate(end);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
