//! Traces: one span per hop and direction, sent to a collector by OTLP.
//!
//! A worker only begins spans and puts finished ones into a bounded queue; a thread with a runtime of its own empties it. A
//! collector that is slow or gone costs spans, which are counted, and never a request.

mod attributes;
mod begin;
mod collector;
mod connect;
mod export;
mod headers;
mod ids;
mod metrics;
mod outcome;
mod resource;
mod settings;
mod span;

use isthmus_core::trace::{Formats, Ratio};

use self::ids::Ids;
pub(crate) use self::{
    begin::begin,
    export::{Queue, start},
    metrics::Metrics,
    resource::of as resource,
    span::Span,
};
pub use self::{
    connect::BadRoots,
    export::BadExport,
    settings::{Roots, Settings},
};

/// What a worker needs to trace.
pub(crate) struct Tracer {
    queue: Queue,
    ids: Ids,
    /// Written whatever came in.
    formats: Formats,
    /// Unless the pod's namespace says otherwise.
    ratio: Ratio,
}

impl Tracer {
    pub(crate) fn new(settings: &Settings, queue: &Queue) -> Self {
        Self { queue: queue.clone(), ids: Ids::new(), formats: settings.formats, ratio: settings.sampling }
    }
}
