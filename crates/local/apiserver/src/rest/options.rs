//! `ListOptions`, from the query.

use isthmus_local_machinery::selector::{FieldSelector, LabelSelector};
use isthmus_local_machinery::status::{ApiError, Cause};
use serde_json::{Value, json};

use crate::call::Call;

/// How the resourceVersion of a list is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Exact,
    NotOlderThan,
    Unset,
}

/// Which objects.
pub(super) struct Selection {
    pub(super) labels: LabelSelector,
    pub(super) fields: FieldSelector,
    /// Whether there is any field selector.
    pub(super) by_field: bool,
    /// Whether there is any selector at all.
    pub(super) any: bool,
}

impl Selection {
    pub(super) fn of(call: &Call) -> Result<Self, ApiError> {
        let labels = call.query.get("labelSelector").unwrap_or_default();
        let mut fields = call.query.get("fieldSelector").unwrap_or_default().to_owned();
        if !call.name.is_empty() {
            // A watch of one object by its path.
            fields = format!("metadata.name={}", call.name);
        }
        Ok(Self {
            by_field: !fields.is_empty(),
            any: !fields.is_empty() || !labels.is_empty(),
            labels: LabelSelector::parse(labels)?,
            fields: FieldSelector::parse(&fields, &call.kind.resource)?,
        })
    }

    /// `object` is in the request's version.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

/// The resourceVersion parameter; none if absent.
pub(super) fn resource_version(call: &Call) -> Result<Option<u64>, ApiError> {
    let Some(text) = call.query.get("resourceVersion") else { return Ok(None) };
    let cause = || Cause::invalid("resourceVersion", &json!(text), "strconv.ParseUint: parsing: invalid syntax");
    text.parse().map(Some).map_err(|_| invalid(vec![cause()]))
}

/// The resourceVersionMatch parameter, checked against the others.
pub(super) fn version_match(call: &Call, version: Option<u64>) -> Result<Match, ApiError> {
    let watch = call.verb == "watch";
    let initial = call.query.get("sendInitialEvents").is_some();
    let text = call.query.get("resourceVersionMatch");
    let forbidden = |why: &str| Err(invalid(vec![Cause::forbidden("resourceVersionMatch", why)]));
    let asked = match text {
        None => Match::Unset,
        Some("Exact") => Match::Exact,
        Some("NotOlderThan") => Match::NotOlderThan,
        Some(other) => {
            let cause = Cause::not_supported("resourceVersionMatch", &json!(other), &["Exact", "NotOlderThan"]);
            return Err(invalid(vec![cause]));
        }
    };
    if watch {
        return match (initial, asked) {
            (true, Match::NotOlderThan) | (false, Match::Unset) => Ok(asked),
            (true, _) => forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
            (false, _) => forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
        };
    }
    if initial {
        let cause = Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        return Err(invalid(vec![cause]));
    }
    match (asked, version) {
        (Match::Unset, _) => Ok(asked),
        (_, None) => forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (_, Some(_)) if call.query.get("continue").is_some() => {
            forbidden("resourceVersionMatch is forbidden when continue is provided")
        }
        (Match::Exact, Some(0)) => forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
        _ => Ok(asked),
    }
}

fn invalid(causes: Vec<Cause>) -> ApiError {
    ApiError::invalid("meta.k8s.io", "ListOptions", "", causes)
}
