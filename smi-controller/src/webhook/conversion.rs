//! ConversionReview v1: objects of SMI's kinds from one version to another.

use isthmus_k8s::convert::convert;
use serde::Deserialize;
use serde_json::{Value, json};

/// The only version of reviews that is understood.
const REVIEWS: &str = "apiextensions.k8s.io/v1";

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversion {
    uid: String,
    #[serde(rename = "desiredAPIVersion")]
    desired: String,
    #[serde(default)]
    objects: Vec<Value>,
}

/// Reads a review.
pub(crate) fn read(body: &[u8]) -> Result<Conversion, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Review {
        api_version: String,
        request: Option<Conversion>,
    }
    let review: Review = serde_json::from_slice(body).map_err(|error| format!("not a ConversionReview: {error}"))?;
    if review.api_version != REVIEWS {
        return Err(format!("apiVersion {:?}: only {REVIEWS} is understood", review.api_version));
    }
    review.request.ok_or_else(|| "ConversionReview has no request".to_owned())
}

impl Conversion {
    /// The answer, and whether all went well: the API server takes all objects or none, so one that can't be converted
    /// is named, and no half of them is returned.
    pub(crate) fn answer(self) -> (Value, bool) {
        let desired = &self.desired;
        let convert = |object: Value| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
            convert(object, desired).map_err(|error| format!("{kind} {namespace}/{name}: {error}"))
        };
        let converted: Result<Vec<Value>, String> = self.objects.into_iter().map(convert).collect();
        let (objects, result, well) = match converted {
            Ok(objects) => (objects, json!({ "status": "Success" }), true),
            Err(message) => {
                tracing::warn!(message, desired, "couldn't convert");
                (Vec::new(), json!({ "status": "Failed", "message": message }), false)
            }
        };
        let response = json!({ "uid": self.uid, "convertedObjects": objects, "result": result });
        (json!({ "apiVersion": REVIEWS, "kind": "ConversionReview", "response": response }), well)
    }
}
