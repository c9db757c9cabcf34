//! What the API server is asked, and what its answer must say.

use serde::Deserialize;
use serde_json::Value;

/// A request to the API server. One that only reads is made again until its answer is as expected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiCall {
    /// With its query, and `$(namespace)` for the case's own.
    pub path: String,
    /// What is sent; nothing: it is read.
    #[serde(default)]
    pub send: Option<Send>,
    /// The status of the answer; if none is named, one of success.
    #[serde(default)]
    pub status: Option<u16>,
    /// What the answer says: a document of its shape (`expected.rs`).
    #[serde(default)]
    pub is: Option<Value>,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Send {
    /// PATCH with a JSON merge patch.
    MergePatch(Value),
    /// PATCH with a JSON patch.
    JsonPatch(Value),
    /// What a client does that has a typed struct of this version: it reads the object, changes it, and writes it back with PUT.
    /// Of what it has read, `apiVersion`, `kind` and `metadata` stay; the rest is what is given here.
    Typed(Value),
    /// POST.
    Create(Value),
    /// DELETE.
    Delete {},
}
