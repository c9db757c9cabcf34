//! Bodies on their way through: streamed, counted, never gathered.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{exchange::Exchange, pool::Lease};

/// A request's body on its way to an endpoint.
pub(crate) struct RequestBody {
    inner: Incoming,
    exchange: Rc<Exchange>,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, exchange: Rc<Exchange>) -> Self {
        exchange.request_done.set(inner.is_end_stream());
        Self { inner, exchange }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            count(&self.exchange.received, frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // Dropped early, the connection to the endpoint is lost anyway: it isn't reused then.
        self.exchange.request_done.set(true);
    }
}

/// An answer's body: an endpoint's, or a few bytes of the proxy's own.
pub(crate) struct Body {
    kind: Kind,
    exchange: Option<Rc<Exchange>>,
    lease: Option<Lease>,
}

enum Kind {
    Upstream(Incoming),
    Own(Option<Bytes>),
}

impl Body {
    /// The proxy's own words.
    pub(crate) fn own(text: impl Into<Bytes>, exchange: Rc<Exchange>) -> Self {
        let text = Some(text.into()).filter(|t: &Bytes| !t.is_empty());
        Self { kind: Kind::Own(text), exchange: Some(exchange), lease: None }
    }

    /// An endpoint's answer; its connection goes back to the pool at the end.
    pub(crate) fn upstream(inner: Incoming, exchange: Rc<Exchange>, lease: Lease) -> Self {
        let mut body = Self { kind: Kind::Upstream(inner), exchange: Some(exchange), lease: Some(lease) };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The end was reached in order.
    fn finish(&mut self) {
        if let (Some(lease), Some(exchange)) = (self.lease.take(), self.exchange.take()) {
            lease.done(exchange.request_done.get());
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let frame = match &mut this.kind {
            Kind::Upstream(inner) => ready!(Pin::new(inner).poll_frame(cx)),
            Kind::Own(text) => text.take().map(|t| Ok(Frame::data(t))),
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(exchange) = &this.exchange {
                    count(&exchange.sent, frame);
                }
                // Nothing follows trailers, and nobody asks for it.
                if frame.is_trailers() || this.is_end_stream() {
                    this.finish();
                }
            }
            Some(Err(_)) => {}
            None => this.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Upstream(inner) => inner.is_end_stream(),
            Kind::Own(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Upstream(inner) => inner.size_hint(),
            Kind::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |t| t.len() as u64)),
        }
    }
}

fn count(counter: &std::cell::Cell<u64>, frame: &Frame<Bytes>) {
    if let Some(data) = frame.data_ref() {
        counter.set(counter.get().saturating_add(data.len() as u64));
    }
}
