//! `DeleteOptions`, from the body or the query.

use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use serde_json::{Value, json};

use crate::call::Call;
use crate::http::body;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Propagation {
    Background,
    Foreground,
    Orphan,
    /// Whatever the object's finalizers say.
    #[default]
    Unset,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    /// Seconds; none leaves it to the object.
    pub(crate) grace: Option<u64>,
    propagation: Propagation,
    uid: Option<String>,
    version: Option<String>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    pub(crate) fn read(call: &Call, bytes: &[u8]) -> Result<Self, ApiError> {
        let body = if bytes.is_empty() { json!({}) } else { body::object(&call.headers, bytes)?.value };
        let mut options = Self::from_value(&body)?;
        // The query counts only where there is no body.
        if bytes.is_empty() {
            options.grace = call.query.number("gracePeriodSeconds")?;
            if let Some(policy) = call.query.get("propagationPolicy") {
                options.propagation = propagation(policy)?;
            } else if call.query.flag("orphanDependents") {
                options.propagation = Propagation::Orphan;
            }
        }
        Ok(options)
    }

    pub(crate) fn from_value(body: &Value) -> Result<Self, ApiError> {
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let propagation = match body.get("propagationPolicy").and_then(Value::as_str) {
            Some(policy) => propagation(policy)?,
            None if body.get("orphanDependents").and_then(Value::as_bool) == Some(true) => Propagation::Orphan,
            None => Propagation::Unset,
        };
        let grace = match body.get("gracePeriodSeconds") {
            None | Some(Value::Null) => None,
            // Negative is as good as at once, in Kubernetes as one second.
            Some(seconds) => Some(seconds.as_u64().unwrap_or(1)),
        };
        let dry_run = body.get("dryRun").and_then(Value::as_array).is_some_and(|list| list.iter().any(|v| v == "All"));
        Ok(Self {
            grace,
            propagation,
            uid: text("/preconditions/uid"),
            version: text("/preconditions/resourceVersion"),
            dry_run,
        })
    }

    /// Checks the preconditions.
    pub(super) fn check(&self, resource: &str, name: &str, object: &Value) -> Result<(), ApiError> {
        let refuse = |what: &str, wanted: &str, found: &str| {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}");
            Err(ApiError::conflict_because(resource, name, &why))
        };
        let (uid, version) = (meta::text(object, "uid"), meta::text(object, "resourceVersion"));
        match (&self.uid, &self.version) {
            (Some(wanted), _) if wanted != uid => refuse("UID", wanted, uid),
            (_, Some(wanted)) if wanted != version => refuse("ResourceVersion", wanted, version),
            _ => Ok(()),
        }
    }

    /// Adds and removes the garbage collector's finalizers.
    pub(super) fn set_finalizers(&self, finalizers: &mut Vec<Value>) {
        let wanted = match self.propagation {
            Propagation::Unset => return,
            Propagation::Background => None,
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
        };
        finalizers.retain(|have| (have != FOREGROUND && have != ORPHAN) || wanted.is_some_and(|w| have == w));
        if let Some(wanted) = wanted
            && !finalizers.iter().any(|have| have == wanted)
        {
            finalizers.push(json!(wanted));
        }
    }
}

fn propagation(policy: &str) -> Result<Propagation, ApiError> {
    match policy {
        "Background" => Ok(Propagation::Background),
        "Foreground" => Ok(Propagation::Foreground),
        "Orphan" => Ok(Propagation::Orphan),
        other => {
            let known = ["Background", "Foreground", "Orphan"];
            let cause = Cause::not_supported("propagationPolicy", &json!(other), &known);
            Err(ApiError::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]))
        }
    }
}
