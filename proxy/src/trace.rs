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

use std::{cell::RefCell, rc::Rc};

use isthmus_core::trace::{Formats, Sampling};

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
    settings::{BadCollector, Collector, Protocol, Settings},
};

/// What a worker needs to trace.
pub(crate) struct Tracer {
    queue: Queue,
    ids: Ids,
    /// Written whatever came in.
    formats: Formats,
    sampling: RefCell<Rc<Sampling>>,
}

impl Tracer {
    pub(crate) fn new(settings: &Settings, queue: &Queue) -> Self {
        let sampling = Sampling { ratio: settings.sampling, routes: Vec::new() };
        Self {
            queue: queue.clone(),
            ids: Ids::new(),
            formats: settings.formats,
            sampling: RefCell::new(Rc::new(sampling)),
        }
    }
}
