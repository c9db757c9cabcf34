//! What a Namespace and a Pod say of their telemetry. A value that can't be read counts as not written, and nothing is refused for
//! its sake: whoever wrote it is warned.

use std::collections::BTreeMap;

use isthmus_core::{
    telemetry::settings::{AccessLog, Family, LogFormat},
    trace::{BadRatio, Ratio},
};

use super::{ACCESS_LOG, ACCESS_LOG_SAMPLE, METRIC_FAMILIES, TRACE_SAMPLING};

/// What is said; all of it optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Said {
    pub(crate) access_log: AccessLog,
    pub(crate) trace_sampling: Option<Ratio>,
    pub(crate) families: Option<Vec<Family>>,
}

impl Said {
    /// Reads annotations; and what is wrong with them, naming annotation, value and remedy.
    pub(crate) fn read(annotations: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let mut note = |fault: String| faults.push(fault);
        let (on, format) = annotations.get(ACCESS_LOG).map_or((None, None), |text| match text.trim() {
            "off" => (Some(false), None),
            "json" => (Some(true), Some(LogFormat::Json)),
            "text" => (Some(true), Some(LogFormat::Text)),
            _ => {
                note(format!("annotation {ACCESS_LOG}: {text:?} is no access log; write off, json or text"));
                (None, None)
            }
        });
        let sample = annotations.get(ACCESS_LOG_SAMPLE).and_then(|text| share(ACCESS_LOG_SAMPLE, text, &mut note));
        let trace_sampling = annotations.get(TRACE_SAMPLING).and_then(|text| share(TRACE_SAMPLING, text, &mut note));
        let families = annotations.get(METRIC_FAMILIES).and_then(|text| {
            let families = families(text);
            if families.is_none() {
                note(format!(
                    "annotation {METRIC_FAMILIES}: {text:?} are no families; write istio, linkerd or osm with commas between, or none"
                ));
            }
            families
        });
        (Self { access_log: AccessLog { on, format, sample }, trace_sampling, families }, faults)
    }

    /// With what is said here, and the rest from there.
    pub(crate) fn or(&self, other: &Self) -> Self {
        let (own, rest) = (&self.access_log, &other.access_log);
        Self {
            access_log: AccessLog {
                on: own.on.or(rest.on),
                format: own.format.or(rest.format),
                sample: own.sample.or(rest.sample),
            },
            trace_sampling: self.trace_sampling.or(other.trace_sampling),
            families: self.families.clone().or_else(|| other.families.clone()),
        }
    }
}

/// Reads a share, or says what is wrong with it.
pub(crate) fn share(annotation: &str, text: &str, mut note: impl FnMut(String)) -> Option<Ratio> {
    text.parse().map_err(|error: BadRatio| note(format!("annotation {annotation}: {error}"))).ok()
}

/// In order, each once. `None`: one of them is none.
fn families(text: &str) -> Option<Vec<Family>> {
    if text.trim() == "none" {
        return Some(Vec::new());
    }
    let mut families = text.split(',').map(|name| Family::read(name.trim())).collect::<Option<Vec<_>>>()?;
    families.sort();
    families.dedup();
    Some(families)
}

#[cfg(test)]
mod tests;
