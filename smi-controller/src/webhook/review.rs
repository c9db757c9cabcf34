//! AdmissionReview v1, as far as it is needed.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most warnings of one answer, and the longest of them in bytes: the API server cuts beyond.
const MAX_WARNINGS: usize = 10;

/// What is asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) kind: GroupKind,
    /// CREATE, UPDATE, DELETE or CONNECT.
    #[serde(default)]
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) object: Value,
    #[serde(default)]
    pub(crate) old_object: Value,
}

/// What kind of object it is about.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct GroupKind {
    #[serde(default)]
    pub(crate) group: String,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) kind: String,
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// `Some`: refused, for this reason.
    pub(crate) refusal: Option<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) patch: Option<json_patch::Patch>,
}

impl Answer {
    pub(crate) fn refuse(reason: impl Into<String>) -> Self {
        Self { refusal: Some(reason.into()), ..Self::default() }
    }

    pub(crate) fn warn(warning: impl Into<String>) -> Self {
        Self { warnings: vec![warning.into()], ..Self::default() }
    }

    /// As the API server wants it.
    pub(crate) fn review(self, uid: &str) -> Value {
        let mut response = json!({ "uid": uid, "allowed": self.refusal.is_none() });
        let Some(fields) = response.as_object_mut() else { return Value::Null };
        if let Some(reason) = self.refusal {
            fields.insert("status".into(), json!({ "code": 422, "reason": "Invalid", "message": reason }));
        }
        if !self.warnings.is_empty() {
            let warnings: Vec<_> = self.warnings.into_iter().take(MAX_WARNINGS).collect();
            fields.insert("warnings".into(), json!(warnings));
        }
        if let Some(patch) = self.patch.filter(|patch| !patch.is_empty()) {
            let text = json!(patch).to_string();
            fields.insert("patchType".into(), json!("JSONPatch"));
            fields.insert("patch".into(), json!(BASE64_STANDARD.encode(text)));
        }
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
    }
}

/// Reads a review.
pub(crate) fn read(body: &[u8]) -> Result<Request, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Review {
        api_version: String,
        request: Option<Request>,
    }
    let review: Review = serde_json::from_slice(body).map_err(|error| format!("not an AdmissionReview: {error}"))?;
    if review.api_version != "admission.k8s.io/v1" {
        return Err(format!("apiVersion {:?}: only admission.k8s.io/v1 is understood", review.api_version));
    }
    review.request.ok_or_else(|| "AdmissionReview has no request".to_owned())
}
