//! Bodies on their way through: streamed, counted, never gathered.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    exchange::Exchange,
    expect::{Hold, Verdict},
    fault::Fault,
    hop,
    patience::{Patience, Stalled},
    pool::Lease,
};

/// Why a request's body ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    /// The client's side failed.
    #[error("the client's side: {0}")]
    Client(#[source] hyper::Error),
    /// The client paused for longer than it may.
    #[error("the client paused for too long")]
    Stalled,
    /// The endpoint has answered without asking for it.
    #[error("the endpoint answered without the body that was to wait for its 100 Continue")]
    Unasked,
}

/// A request's body on its way to an endpoint.
pub(crate) struct RequestBody {
    /// `None` once it was given up.
    inner: Option<Incoming>,
    hold: Option<Hold>,
    patience: Option<Patience>,
    exchange: Rc<Exchange>,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, exchange: Rc<Exchange>) -> Self {
        exchange.request_done.set(inner.is_end_stream());
        let hold = exchange.expectation.clone().map(Hold::new);
        let patience = exchange.patience.get().map(Patience::new);
        Self { inner: Some(inner), hold, patience, exchange }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let this = &mut *self;
        if let Some(hold) = &mut this.hold {
            match ready!(hold.poll(cx)) {
                Verdict::Send => this.hold = None,
                // The client's connection mustn't wait for a body that nobody will read.
                Verdict::Drop => {
                    this.inner = None;
                    return Poll::Pending;
                }
                Verdict::End => return Poll::Ready(Some(Err(Unfinished::Unasked))),
            }
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let polled = Pin::new(inner).poll_frame(cx).map_ok(hop::clean);
        let frame = match &mut this.patience {
            None => ready!(polled),
            Some(patience) => match ready!(patience.poll(polled, cx)) {
                Ok(frame) => frame,
                Err(Stalled) => {
                    this.exchange.fault.set(Some(Fault::Stalled));
                    return Poll::Ready(Some(Err(Unfinished::Stalled)));
                }
            },
        };
        if let Some(Ok(frame)) = &frame {
            this.exchange.moved(length(frame), 0);
        }
        Poll::Ready(frame.map(|f| f.map_err(Unfinished::Client)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
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
            exchange.answered();
            over(&exchange);
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(exchange) = &self.exchange {
            over(exchange);
        }
    }
}

/// Nothing more comes of the answer: a request body that it didn't ask for can end.
fn over(exchange: &Exchange) {
    if let Some(expectation) = &exchange.expectation {
        expectation.over();
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let frame = match &mut this.kind {
            Kind::Upstream(inner) => ready!(Pin::new(inner).poll_frame(cx).map_ok(hop::clean)),
            Kind::Own(text) => text.take().map(|t| Ok(Frame::data(t))),
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(exchange) = &this.exchange {
                    exchange.moved(0, length(frame));
                    if let Some(trailers) = frame.trailers_ref() {
                        exchange.hear(trailers);
                    }
                }
                // Nothing follows trailers, and nobody asks for it.
                if frame.is_trailers() || this.is_end_stream() {
                    this.finish();
                }
            }
            // The endpoint has broken off.
            Some(Err(_)) => this.exchange.iter().for_each(|exchange| exchange.answered()),
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

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
