//! What users want to see of a pod's traffic. What isn't said is left to each process's own start.

use crate::trace::{Ratio, SampledRoute};

/// How a line of the access log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// `key=value` pairs.
    Text,
}

impl LogFormat {
    /// As users write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

/// The access log of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessLog {
    /// Is there one?
    pub on: Option<bool>,
    /// How it looks.
    pub format: Option<LogFormat>,
    /// How much of what went well is in it.
    pub sample: Option<Ratio>,
}

/// Which traces that begin at a pod are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tracing {
    /// Of requests that no route covers.
    pub sample: Option<Ratio>,
    /// The others.
    pub routes: Vec<SampledRoute>,
}

/// Metrics that other programs read by names of their own (docs/metrics.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// As Istio names them.
    Istio,
    /// As Linkerd does.
    Linkerd,
    /// As Open Service Mesh did.
    Osm,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Istio, Self::Linkerd, Self::Osm];

    /// As users write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Istio => "istio",
            Self::Linkerd => "linkerd",
            Self::Osm => "osm",
        }
    }

    /// The family of this name.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == name)
    }
}

/// All that is said of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Its access log.
    pub access_log: AccessLog,
    /// Its traces.
    pub tracing: Tracing,
    /// The families that its metrics are also in, in order and each once; `Some` of none: in none.
    pub families: Option<Vec<Family>>,
}
