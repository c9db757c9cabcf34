//! `Expect: 100-continue` (RFC 9110 §10.1.1): the client's body is held back until the endpoint asks for it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use http::{Request, StatusCode, Version, header::EXPECT};
use tokio::time::{Sleep, sleep};

use crate::limits::EXPECT_TIME;

/// What has become of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// The body may be sent.
    Wanted,
    /// The endpoint has answered without it; the answer is still coming.
    Refused,
    /// That answer is complete.
    Over,
}

/// One request's expectation. hyper's callback for interim answers must be `Send`, so this is; a worker has one thread, and nobody
/// ever waits for the lock.
#[derive(Debug, Clone)]
pub(crate) struct Expectation(Arc<Mutex<(State, Option<Waker>)>>);

impl Expectation {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((State::Waiting, None))))
    }

    /// Of a request as it came, if it has one. It has none without a body, and HTTP/1.0 knows none: there the field is taken away,
    /// so that no endpoint waits for us.
    pub(crate) fn of<B: http_body::Body>(request: &mut Request<B>) -> Option<Self> {
        request.headers().get(EXPECT).filter(|e| e.as_bytes().eq_ignore_ascii_case(b"100-continue"))?;
        if request.version() < Version::HTTP_11 || request.body().is_end_stream() {
            request.headers_mut().remove(EXPECT);
            return None;
        }
        let expectation = Self::new();
        request.extensions_mut().insert(expectation.clone());
        Some(expectation)
    }

    /// The endpoint asks for the body.
    pub(crate) fn wanted(&self) {
        self.change(&[State::Waiting], State::Wanted);
    }

    /// The final answer is there. True when it leaves the body behind: then the client can't use its connection any more, for
    /// where the next request would begin nobody knows.
    pub(crate) fn answered(&self, status: StatusCode) -> bool {
        self.change(&[State::Waiting], if status.is_success() { State::Wanted } else { State::Refused });
        self.state() != State::Wanted
    }

    /// The endpoint's answer is complete.
    pub(crate) fn over(&self) {
        self.change(&[State::Waiting, State::Refused], State::Over);
    }

    fn change(&self, from: &[State], to: State) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if from.contains(&held.0) {
            held.0 = to;
            if let Some(waker) = held.1.take() {
                waker.wake();
            }
        }
    }

    fn state(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn state_or_wake(&self, cx: &Context<'_>) -> State {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.1 = Some(cx.waker().clone());
        held.0
    }
}

/// What holds a body back.
pub(crate) struct Hold {
    expectation: Expectation,
    /// Runs from when the head was sent.
    longest: Option<Pin<Box<Sleep>>>,
}

/// What a held body is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Send,
    /// Let go of the client's body, and wait for the end of the answer.
    Drop,
    /// End without having been sent.
    End,
}

impl Hold {
    pub(crate) fn new(expectation: Expectation) -> Self {
        Self { expectation, longest: None }
    }

    /// Endpoints that know nothing of `100 Continue` don't ask: after [`EXPECT_TIME`] the body is sent all the same.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        match self.expectation.state_or_wake(cx) {
            State::Waiting => {
                let longest = self.longest.get_or_insert_with(|| Box::pin(sleep(EXPECT_TIME)));
                ready!(longest.as_mut().poll(cx));
                self.expectation.wanted();
                Poll::Ready(Verdict::Send)
            }
            State::Wanted => Poll::Ready(Verdict::Send),
            State::Refused => Poll::Ready(Verdict::Drop),
            State::Over => Poll::Ready(Verdict::End),
        }
    }
}

#[cfg(test)]
mod tests;
