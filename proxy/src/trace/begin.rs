//! A request's span begins: what its headers say is read, it is decided whether it is recorded, and the next hop is told.

use http::Request;
use isthmus_core::trace::{self, Context, Formats, Found, Parent, Sampling};

use super::{Span, Tracer};
use crate::{exchange::Exchange, hop, worker::Worker};

/// Begins the span of a request that is recorded. Without a collector nothing is touched.
pub(crate) fn begin<B>(worker: &Worker, exchange: &Exchange, request: &mut Request<B>) {
    let Some(tracer) = &worker.tracer else { return };
    let found = trace::extract(request.headers());
    let parent = found.parent.unwrap_or_else(|| tracer.first());
    let sampled = {
        let told = &worker.telemetry().tracing;
        let sampling = Sampling { ratio: told.sample.unwrap_or(tracer.ratio), routes: &told.routes };
        sampling.decide(&found, parent.trace, || hop::as_matched(request))
    };
    if !sampled {
        return tracer.pass_on(&found, parent, request);
    }
    let context = Context {
        trace: parent.trace,
        span: tracer.ids.span(),
        parent: found.parent.map(|parent| parent.span),
        sampled: true,
        debug: found.debug,
        random: parent.random,
    };
    let span = Span::begin(tracer.queue.clone(), context, request);
    trace::inject(request.headers_mut(), &context, tracer.formats.and(found.present), &found);
    let _ = exchange.span.set(Box::new(span));
}

impl Tracer {
    /// Where a trace begins.
    fn first(&self) -> Parent {
        Parent { trace: self.ids.trace(), span: self.ids.span(), random: true }
    }

    /// Nothing is recorded of the request: whoever is next has the same decision, and the same parent.
    fn pass_on<B>(&self, found: &Found, parent: Parent, request: &mut Request<B>) {
        let told = found.parent.is_some() && found.sampled.is_some();
        let formats = match told {
            true => self.formats.without(found.valid),
            false => self.formats.and(found.present),
        };
        if formats == Formats::default() {
            return;
        }
        let Parent { trace, span, random } = parent;
        let context = Context { trace, span, parent: None, sampled: false, debug: false, random };
        trace::inject(request.headers_mut(), &context, formats, found);
    }
}
