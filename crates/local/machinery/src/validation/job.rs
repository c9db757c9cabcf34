//! Jobs.

use serde_json::Value;

use super::{immutable, one_of, workload};
use crate::status::Cause;

const COUNTS: [&str; 5] =
    ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"];

/// What the embedded cluster doesn't have: ignored, it would be a surprise.
const MISSING: [&str; 6] =
    ["backoffLimitPerIndex", "managedBy", "manualSelector", "maxFailedIndexes", "podFailurePolicy", "successPolicy"];

pub(super) fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    workload::counts(spec, &COUNTS, causes);
    workload::template(spec, &["OnFailure", "Never"], causes);
    // The embedded cluster knows no other.
    one_of(spec, "completionMode", "spec.completionMode", &["NonIndexed"], causes);
    for field in MISSING.iter().filter(|field| spec.get(**field).is_some_and(|value| *value != Value::Bool(false))) {
        causes.push(Cause::forbidden(format!("spec.{field}"), "the embedded cluster doesn't have it: leave it out"));
    }
    for (pointer, field) in [
        ("/spec/selector", "spec.selector"),
        ("/spec/completions", "spec.completions"),
        ("/spec/template", "spec.template"),
    ] {
        immutable(new, old, pointer, field, causes);
    }
}
