//! HTTPRouteGroups: their expressions are compiled once, when they arrive.

use std::collections::BTreeSet;

use isthmus_core::{
    http_match::{HttpMatch, HttpMatchSpec, InvalidMatch},
    trace::Ratio,
};
use isthmus_k8s::specs::{HTTPRouteGroup, Match, REGEX_MATCH_ANNOTATION};
use kube::ResourceExt;

use super::{Fact, Facts, Object, Table, table::Changed};
use crate::{
    annotations::{TRACE_SAMPLING, telemetry},
    fault::{Fault, Reason},
};

/// Most matches of one group.
const MAX_MATCHES: usize = 1000;

/// A group whose matches are ready.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) entries: Vec<Entry>,
    /// Of the requests that one of its matches covers, whose traces are sampled.
    pub(crate) trace_sampling: Option<Ratio>,
}

/// One match.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// `None`: it couldn't be compiled, and matches nothing (smi.md §5 A32).
    pub(crate) compiled: Option<HttpMatch>,
}

/// Reads and compiles a group.
pub(crate) fn read(group: &HTTPRouteGroup) -> Object<Group> {
    let mut faults = Vec::new();
    // What can't be read is taken for the narrower of the two: a slip of the pen must not open more than was meant.
    let asked = group.annotations().get(REGEX_MATCH_ANNOTATION);
    let strict = asked.is_some();
    if let Some(text) = asked.filter(|text| *text != "full") {
        let message = format!(
            "metadata.annotations[{REGEX_MATCH_ANNOTATION}]: {text:?} is taken for \"full\", which is the only value; \
             remove the annotation to have paths match by their beginning and headers anywhere"
        );
        faults.push(Fault::partly(Reason::InvalidMatch, message));
    }
    let mut names = BTreeSet::new();
    let mut entries = Vec::new();
    for (i, entry) in group.spec.matches.iter().take(MAX_MATCHES).enumerate() {
        if !names.insert(entry.name.as_str()) {
            let message =
                format!("spec.matches[{i}].name: {:?} occurs twice: rules that name it mean both", entry.name);
            faults.push(Fault::hint(Reason::DuplicateMatch, message));
        }
        let compiled = compile(entry, strict).map_err(|(reason, text)| {
            faults.push(Fault::partly(reason, format!("spec.matches[{i}]: {text}; it matches nothing")));
        });
        entries.push(Entry { name: entry.name.clone(), compiled: compiled.ok() });
    }
    let count = group.spec.matches.len();
    if count > MAX_MATCHES {
        let message = format!("spec.matches: {count} matches; only the first {MAX_MATCHES} count");
        faults.push(Fault::partly(Reason::InvalidMatch, message));
    }
    let trace_sampling = group.annotations().get(TRACE_SAMPLING).and_then(|text| {
        telemetry::share(TRACE_SAMPLING, text, |fault| faults.push(Fault::hint(Reason::InvalidSampling, fault)))
    });
    Object::new(group, Group { entries, trace_sampling }, faults)
}

/// Says whether the way that traces are sampled may have changed.
pub(super) fn tell(groups: &Table<Group>, changed: Option<Changed<Group>>, facts: &mut Facts) {
    let Some(Changed { before, now }) = changed else { return };
    let now = now.and_then(|name| groups.get(&name));
    let mut sampled = before.iter().chain(now).filter(|group| group.content.trace_sampling.is_some());
    facts.extend(sampled.next().map(|group| Fact::SampledGroups(group.name.namespace.clone())));
}

/// Compiles one match.
pub(crate) fn compile(entry: &Match, full_match: bool) -> Result<HttpMatch, (Reason, String)> {
    let headers = entry.header_conditions().map_err(|e| (Reason::InvalidMatch, e.to_string()))?;
    let spec = HttpMatchSpec {
        name: entry.name.clone(),
        path_regex: entry.path_regex.clone(),
        methods: entry.methods.clone().unwrap_or_default(),
        headers,
        full_match,
    };
    HttpMatch::compile(spec).map_err(|error| {
        let reason =
            if matches!(error, InvalidMatch::Regex { .. }) { Reason::InvalidRegex } else { Reason::InvalidMatch };
        (reason, error.to_string())
    })
}
