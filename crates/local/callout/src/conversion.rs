//! Conversion webhooks: objects of one version of a CustomResourceDefinition in, of another version out.

use isthmus_local_machinery::status::ApiError;
use serde_json::{Map, Value, json};

use crate::callout::Callout;
use crate::target::Target;

impl Callout {
    /// Converts objects of one custom kind to `desired` (`group/version`) by the CRD's webhook, all in one request. Those
    /// already of that version are passed through. Of what comes back only spec, status and so on, labels and annotations
    /// count: the rest of the metadata stays as it was.
    ///
    /// # Errors
    /// 500 `conversion webhook for … failed: …` when the webhook can't be asked, says no, or breaks the contract.
    pub async fn convert(&self, crd: &Value, objects: Vec<Value>, desired: &str) -> Result<Vec<Value>, ApiError> {
        let Some(first) = objects.iter().find(|object| text(object, "/apiVersion") != desired) else {
            return Ok(objects);
        };
        let kind = kind_text(first);
        let webhook = crd.pointer("/spec/conversion/webhook");
        let unusable = |why: &str| failure(format!("conversion webhook for {kind} failed: {why}"));
        let versions = webhook.and_then(|webhook| webhook.get("conversionReviewVersions")).and_then(Value::as_array);
        if !versions.is_some_and(|versions| versions.iter().any(|version| version == "v1")) {
            return Err(unusable("no supported conversion review versions: v1 is"));
        }
        let config = webhook.and_then(|webhook| webhook.get("clientConfig")).unwrap_or(&Value::Null);
        let target = Target::parse(config)
            .map_err(|fault| unusable(&format!("clientConfig is unusable: {} {}", fault.field, fault.detail)))?;
        let uid = crate::admission::fresh_uid();
        let sent: Vec<&Value> = objects.iter().filter(|object| text(object, "/apiVersion") != desired).collect();
        let review = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "ConversionReview",
            "request": {"uid": uid, "desiredAPIVersion": desired, "objects": sent},
        });
        let answer = self.post_json(&target, "timeout=30s", &review, self.limits.conversion).await;
        let converted = answer.and_then(|answer| converted(&uid, answer)).map_err(|why| unusable(&why))?;
        if converted.len() != sent.len() {
            let (got, expected) = (converted.len(), sent.len());
            return Err(failure(format!("conversion webhook for {kind} returned {got} objects, expected {expected}")));
        }
        let mut converted = converted.into_iter().enumerate();
        objects
            .into_iter()
            .map(|original| {
                if text(&original, "/apiVersion") == desired {
                    return Ok(original);
                }
                let (index, converted) = converted.next().unwrap_or_default();
                accept(&original, converted, desired).map_err(|why| {
                    failure(format!(
                        "conversion webhook for {kind} returned invalid converted object at index {index}: {why}"
                    ))
                })
            })
            .collect()
    }
}

/// The objects of a ConversionReview answer.
fn converted(uid: &str, mut review: Value) -> Result<Vec<Value>, String> {
    let got = (text(&review, "/apiVersion"), text(&review, "/kind"));
    if got != ("apiextensions.k8s.io/v1", "ConversionReview") {
        let (version, kind) = got;
        return Err(format!(
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got {version}, Kind={kind}"
        ));
    }
    let Some(response) = review.get_mut("response").filter(|response| !response.is_null()) else {
        return Err("no response provided".to_owned());
    };
    if text(response, "/uid") != uid {
        return Err(format!("expected response.uid={uid:?}, got {:?}", text(response, "/uid")));
    }
    match (text(response, "/result/status"), text(response, "/result/message")) {
        ("Success", _) => {}
        (status, "") => return Err(format!("response.result.status was '{status}', not 'Success'")),
        (_, message) => return Err(message.to_owned()),
    }
    match response.get_mut("convertedObjects").map(Value::take) {
        Some(Value::Array(objects)) => Ok(objects),
        _ => Ok(Vec::new()),
    }
}

/// The contract for one object, and its metadata put right.
fn accept(original: &Value, mut converted: Value, desired: &str) -> Result<Value, String> {
    let version = text(&converted, "/apiVersion");
    if version != desired {
        return Err(format!("invalid groupVersion (expected {desired}, received {version})"));
    }
    let (expected, got) = (text(original, "/kind"), text(&converted, "/kind"));
    if expected != got {
        return Err(format!("invalid kind (expected {expected}, received {got})"));
    }
    for (pointer, field) in [("/metadata/name", "name"), ("/metadata/namespace", "namespace"), ("/metadata/uid", "UID")]
    {
        let (expected, got) = (text(original, pointer), text(&converted, pointer));
        if expected != got {
            return Err(format!("must have the same {field}: {expected} != {got}"));
        }
    }
    let mut metadata = original.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let changed = match converted.get_mut("metadata").map(Value::take) {
        Some(Value::Object(changed)) => changed,
        None => Map::new(),
        Some(_) => return Err("metadata: must be an object".to_owned()),
    };
    for field in ["labels", "annotations"] {
        metadata.remove(field);
        match changed.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) if map.values().all(Value::is_string) => {
                metadata.insert(field.to_owned(), Value::Object(map.clone()));
            }
            Some(_) => return Err(format!("metadata.{field}: must be a map of strings")),
        }
    }
    if let Some(object) = converted.as_object_mut() {
        object.insert("metadata".to_owned(), Value::Object(metadata));
    }
    Ok(converted)
}

/// `example.com/v1, Kind=Widget`, as Go prints a GroupVersionKind.
fn kind_text(object: &Value) -> String {
    format!("{}, Kind={}", text(object, "/apiVersion"), text(object, "/kind"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Go's plain errors become a 500 without a reason.
fn failure(message: String) -> ApiError {
    ApiError { code: 500, reason: "", message, details: None }
}

#[cfg(test)]
mod tests;
