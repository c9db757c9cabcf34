//! A request that can be sent more than once: its head is copied, and the beginning of its body is kept, until it is answered.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{
    body::{RequestBody, Unfinished},
    limits::{RESEND_BYTES, RESEND_FRAMES},
};

/// A request on its way to whoever takes it.
pub(crate) struct Resend {
    head: Option<Parts>,
    body: Source,
}

enum Source {
    /// Sent once: nothing is kept.
    Once(Option<RequestBody>),
    Empty,
    Kept(Rc<RefCell<Kept>>),
}

/// What all attempts share.
pub(crate) struct Kept {
    inner: RequestBody,
    /// The body so far. `None`: it has grown too long, or the request has its answer.
    frames: Option<Vec<Bytes>>,
    bytes: usize,
    /// The attempt that may read on.
    attempt: u32,
}

/// A request's body, as one attempt sends it.
pub(crate) enum Sending {
    Once(RequestBody),
    Empty,
    Kept {
        kept: Rc<RefCell<Kept>>,
        attempt: u32,
        /// Frames that this attempt has sent.
        sent: usize,
    },
}

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Client(#[from] Unfinished),
    #[error("the request is sent on another connection")]
    Superseded,
}

impl Resend {
    /// With `keep` it can be sent again, which costs a copy of the head.
    pub(crate) fn new(request: Request<RequestBody>, keep: bool) -> Self {
        let (head, body) = request.into_parts();
        let body = match keep {
            false => Source::Once(Some(body)),
            true if body.is_end_stream() => Source::Empty,
            true => {
                let frames = Some(Vec::new());
                Source::Kept(Rc::new(RefCell::new(Kept { inner: body, frames, bytes: 0, attempt: 0 })))
            }
        };
        Self { head: Some(head), body }
    }

    /// Can it (still) be sent from its beginning?
    pub(crate) fn is_whole(&self) -> bool {
        self.head.is_some()
            && match &self.body {
                Source::Once(body) => body.is_some(),
                Source::Empty => true,
                Source::Kept(kept) => kept.borrow().frames.is_some(),
            }
    }

    /// Is its body known to be short enough to be kept whole?
    pub(crate) fn is_small(&self) -> bool {
        match &self.body {
            Source::Once(_) => false,
            Source::Empty => true,
            Source::Kept(kept) => {
                kept.borrow().inner.size_hint().upper().is_some_and(|most| most <= RESEND_BYTES as u64)
            }
        }
    }

    /// The request from its beginning, if it is whole. An attempt that is still going on reads no further.
    pub(crate) fn request(&mut self) -> Option<Request<Sending>> {
        if !self.is_whole() {
            return None;
        }
        let (head, body) = match &mut self.body {
            Source::Once(body) => (self.head.take()?, Sending::Once(body.take()?)),
            Source::Empty => (self.head.clone()?, Sending::Empty),
            Source::Kept(kept) => {
                let attempt = kept.borrow().attempt + 1;
                kept.borrow_mut().attempt = attempt;
                (self.head.clone()?, Sending::Kept { kept: Rc::clone(kept), attempt, sent: 0 })
            }
        };
        Some(Request::from_parts(head, body))
    }

    /// The body, if no attempt has taken it.
    pub(crate) fn unread(&mut self) -> Option<RequestBody> {
        match &mut self.body {
            Source::Once(body) => body.take(),
            Source::Empty | Source::Kept(_) => None,
        }
    }

    /// Takes a request back that came back untouched.
    pub(crate) fn put_back(&mut self, request: Request<Sending>) {
        let (head, body) = request.into_parts();
        if let Sending::Once(body) = body {
            self.head = Some(head);
            self.body = Source::Once(Some(body));
        }
    }
}

impl Drop for Resend {
    /// It has its answer: what is still to be sent goes through and isn't kept.
    fn drop(&mut self) {
        if let Source::Kept(kept) = &self.body {
            kept.borrow_mut().frames = None;
        }
    }
}

impl Kept {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(frames) = &mut self.frames else { return };
        match frame.data_ref() {
            Some(data) if self.bytes + data.len() <= RESEND_BYTES && frames.len() < RESEND_FRAMES => {
                self.bytes += data.len();
                frames.push(data.clone());
            }
            _ => self.frames = None,
        }
    }

    /// What is left of the kept frames for an attempt that has sent some.
    fn rest(&self, sent: usize) -> &[Bytes] {
        self.frames.as_deref().and_then(|frames| frames.get(sent..)).unwrap_or_default()
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Once(body) => Pin::new(body).poll_frame(cx).map_err(Broken::Client),
            Self::Empty => Poll::Ready(None),
            Self::Kept { kept, attempt, sent } => {
                let mut kept = kept.borrow_mut();
                if kept.attempt != *attempt {
                    return Poll::Ready(Some(Err(Broken::Superseded)));
                }
                if let Some(data) = kept.rest(*sent).first().cloned() {
                    *sent += 1;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                let frame = ready!(Pin::new(&mut kept.inner).poll_frame(cx)?);
                if let Some(frame) = &frame {
                    kept.keep(frame);
                    *sent += 1;
                }
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Once(body) => body.is_end_stream(),
            Self::Empty => true,
            Self::Kept { kept, sent, .. } => {
                let kept = kept.borrow();
                kept.rest(*sent).is_empty() && kept.inner.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Once(body) => body.size_hint(),
            Self::Empty => SizeHint::with_exact(0),
            Self::Kept { kept, sent, .. } => {
                let kept = kept.borrow();
                let again: u64 = kept.rest(*sent).iter().map(|data| data.len() as u64).sum();
                let mut hint = kept.inner.size_hint();
                if let Some(upper) = hint.upper() {
                    hint.set_upper(upper.saturating_add(again));
                }
                hint.set_lower(hint.lower().saturating_add(again));
                hint
            }
        }
    }
}
