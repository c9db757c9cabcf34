//! One authorized request for a resource.

use std::sync::Arc;

use http::HeaderMap;
use isthmus_local_machinery::status::ApiError;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::auth::User;
use crate::http::negotiate::{self, Form};
use crate::http::query::Query;
use crate::registry::Kind;

/// What to do with fields that the schema doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// A request, as far as it is known before its body is read.
pub(crate) struct Call {
    pub(crate) user: User,
    pub(crate) verb: &'static str,
    pub(crate) kind: Arc<Kind>,
    pub(crate) namespace: Option<String>,
    /// Empty for a collection.
    pub(crate) name: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) now: Timestamp,
    warnings: Mutex<Vec<String>>,
}

impl Call {
    pub(crate) fn new(user: User, verb: &'static str, kind: Arc<Kind>) -> Self {
        Self {
            user,
            verb,
            kind,
            namespace: None,
            name: String::new(),
            subresource: String::new(),
            query: Query::default(),
            headers: HeaderMap::new(),
            now: Timestamp::now(),
            warnings: Mutex::default(),
        }
    }

    pub(crate) fn form(&self) -> Result<Form, ApiError> {
        negotiate::form(&self.headers)
    }

    pub(crate) fn warn(&self, text: impl Into<String>) {
        self.warnings.lock().push(text.into());
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock())
    }

    /// `dryRun=All`.
    pub(crate) fn dry_run(&self) -> Result<bool, ApiError> {
        match self.query.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(ApiError::bad_request(format!("invalid dryRun {other:?}: the only value is \"All\""))),
        }
    }

    pub(crate) fn field_validation(&self) -> Result<FieldValidation, ApiError> {
        match self.query.get("fieldValidation") {
            None | Some("Warn") => Ok(FieldValidation::Warn),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some(other) => Err(ApiError::bad_request(format!(
                "invalid fieldValidation {other:?}: one of \"Ignore\", \"Warn\", \"Strict\""
            ))),
        }
    }

    /// The `fieldManager`, or the first part of the User-Agent.
    pub(crate) fn manager(&self) -> String {
        if let Some(manager) = self.query.get("fieldManager") {
            return manager.chars().take(128).collect();
        }
        let agent =
            self.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let first = agent.split('/').next().unwrap_or_default();
        if first.is_empty() { "unknown".to_owned() } else { first.chars().take(128).collect() }
    }

    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.kind.group_resource(), &self.name)
    }
}
