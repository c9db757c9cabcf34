//! Field selectors.

use serde_json::Value;

use crate::{meta, resource::Resource, status::ApiError};

/// A field selector: all of its terms must hold. The default one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    path: String,
    value: String,
    equal: bool,
}

/// Fields that a kind offers beside `metadata.name` and `metadata.namespace`.
fn offered(resource: &Resource) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "Event") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "Namespace") => &["status.phase", "name"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("apps", "ReplicaSet") | ("", "ReplicationController") => &["status.replicas"],
        _ => &[],
    }
}

impl FieldSelector {
    /// Parses `a.b=c,d!=e`; `\,`, `\=` and `\\` are escapes.
    ///
    /// # Errors
    /// 400 for a malformed one, or a field that the kind doesn't offer.
    pub fn parse(text: &str, resource: &Resource) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for part in split(text) {
            let (at, length, equal) = operator(&part).ok_or_else(|| {
                ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'"))
            })?;
            let path = part.get(..at).unwrap_or_default().trim();
            let value = unescape(part.get(at + length..).unwrap_or_default());
            if !matches!(path, "metadata.name" | "metadata.namespace") && !offered(resource).contains(&path) {
                return Err(ApiError::bad_request(format!("field label not supported: {path}")));
            }
            terms.push(Term { path: path.to_owned(), value, equal });
        }
        Ok(Self { terms })
    }

    /// The name that `metadata.name=x` asks for, so that a read can be a single look-up.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.path == "metadata.name").map(|term| term.value.as_str())
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the object matches. An absent field is the empty text.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| (read(object, &term.path) == term.value) == term.equal)
    }
}

fn read(object: &Value, path: &str) -> String {
    let path = match path {
        "name" => "metadata.name",
        // Of an Event: the component, as kube-apiserver reads it.
        "source" if object.get("source").is_some_and(Value::is_object) => "source.component",
        other => other,
    };
    if path == "metadata.name" {
        return meta::name(object).to_owned();
    }
    let found = path.split('.').try_fold(object, |value, key| value.get(key));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ if path.ends_with("unschedulable") || path.ends_with("hostNetwork") => "false".to_owned(),
        _ => String::new(),
    }
}

/// At the commas without a backslash.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if c == ',' && !escaped {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Where the operator stands, its length, and whether it asks for equality.
fn operator(part: &str) -> Option<(usize, usize, bool)> {
    let at = part.find(['=', '!'])?;
    let rest = part.get(at..)?;
    if rest.starts_with("!=") {
        Some((at, 2, false))
    } else if rest.starts_with("==") {
        Some((at, 2, true))
    } else if rest.starts_with('=') {
        Some((at, 1, true))
    } else {
        None
    }
}

fn unescape(text: &str) -> String {
    let (mut out, mut escaped) = (String::with_capacity(text.len()), false);
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}
