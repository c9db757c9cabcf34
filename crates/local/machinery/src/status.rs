//! API errors, with the texts of kube-apiserver, and their `Status` objects.

mod admission;
mod request;
mod server;
mod write;

use std::fmt;

use serde_json::{Map, Value, json};

/// One reason why an object was refused, as in `Status.details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// A `CauseType`: `FieldValueInvalid`, `FieldValueRequired`, `FieldManagerConflict`…
    pub reason: &'static str,
    /// For a human, without the field's path.
    pub message: String,
    /// The field's path: `spec.ports[0].port`.
    pub field: String,
}

/// What an error speaks of, as in `Status.details`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Name of the object.
    pub name: String,
    /// API group of the object; empty for the core group.
    pub group: String,
    /// The resource's plural name, or the kind for `Invalid`.
    pub kind: String,
    /// UID of the object, when known.
    pub uid: String,
    /// The single faults.
    pub causes: Vec<Cause>,
    /// Seconds after which the client may try again; 0 says nothing.
    pub retry_after: u32,
}

/// An API error: HTTP code, machine-readable reason, text and details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// A `StatusReason`: `NotFound`, `Conflict`, `Invalid`…
    pub reason: &'static str,
    /// For a human.
    pub message: String,
    /// Absent where kube-apiserver gives none.
    pub details: Option<Details>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    pub(crate) fn with_details(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    /// The `v1` `Status` object that is sent to the client.
    #[must_use]
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let (Some(details), Some(map)) = (&self.details, status.as_object_mut()) {
            map.insert("details".to_owned(), details.to_value());
        }
        status
    }
}

impl Details {
    /// Of a resource (`kind` is then its plural name) and one object of it.
    #[must_use]
    pub fn of(group: &str, kind: &str, name: &str) -> Self {
        Self { name: name.to_owned(), group: group.to_owned(), kind: kind.to_owned(), ..Self::default() }
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)] {
            if !text.is_empty() {
                map.insert(key.to_owned(), Value::from(text.as_str()));
            }
        }
        if !self.causes.is_empty() {
            let causes = self.causes.iter().map(Cause::to_value).collect();
            map.insert("causes".to_owned(), Value::Array(causes));
        }
        if self.retry_after > 0 {
            map.insert("retryAfterSeconds".to_owned(), Value::from(self.retry_after));
        }
        Value::Object(map)
    }
}

impl Cause {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("reason".to_owned(), Value::from(self.reason));
        map.insert("message".to_owned(), Value::from(self.message.as_str()));
        if !self.field.is_empty() {
            map.insert("field".to_owned(), Value::from(self.field.as_str()));
        }
        Value::Object(map)
    }

    fn of(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: field.into() }
    }

    /// `Required value: …`.
    #[must_use]
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self::of("FieldValueRequired", field, message)
    }

    /// `Invalid value: <value as JSON>: …`.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::of("FieldValueInvalid", field, format!("Invalid value: {}: {detail}", shown(value)))
    }

    /// `Duplicate value: <value>`.
    #[must_use]
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::of("FieldValueDuplicate", field, format!("Duplicate value: {}", shown(value)))
    }

    /// `Unsupported value: <value>: supported values: "a", "b"`.
    #[must_use]
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), list.join(", "));
        Self::of("FieldValueNotSupported", field, message)
    }

    /// `Forbidden: …`.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::of("FieldValueForbidden", field, format!("Forbidden: {detail}"))
    }

    /// `Too long: …`.
    #[must_use]
    pub fn too_long(field: impl Into<String>, limit: u64) -> Self {
        Self::of("FieldValueTooLong", field, format!("Too long: may not be more than {limit} bytes"))
    }

    /// `Too many: <count>: must have at most <limit> items`.
    #[must_use]
    pub fn too_many(field: impl Into<String>, count: u64, limit: u64) -> Self {
        Self::of("FieldValueTooMany", field, format!("Too many: {count}: must have at most {limit} items"))
    }

    /// `Not found: <value>`.
    #[must_use]
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::of("FieldValueNotFound", field, format!("Not found: {}", shown(value)))
    }

    /// `Invalid value: "<type>": …` of a value whose JSON type is wrong.
    #[must_use]
    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::of("FieldValueTypeInvalid", field, format!("Invalid value: {}: {detail}", shown(value)))
    }

    /// One owner of a field in a server-side apply conflict; `message` names the manager.
    #[must_use]
    pub fn manager_conflict(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of("FieldManagerConflict", field, message)
    }

    /// `field: message`, as it stands in an `Invalid` error's text.
    #[must_use]
    pub fn line(&self) -> String {
        if self.field.is_empty() { self.message.clone() } else { format!("{}: {}", self.field, self.message) }
    }
}

/// A value in an error text. Strings are quoted; large values are cut, since the client sent them.
fn shown(value: &Value) -> String {
    const LIMIT: usize = 400;
    let mut text = value.to_string();
    if text.len() > LIMIT {
        let cut = (0..=LIMIT).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
