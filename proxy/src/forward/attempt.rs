//! One attempt to have a request answered by one endpoint, and how it failed.

use std::{error::Error, rc::Rc, time::Instant};

use http::Response;
use hyper::body::Incoming;
use isthmus_core::retry::Failure;

use super::Answered;
use crate::{endpoint::EndpointState, fault::Fault, hop, pool, resend::Resend, worker::Worker};

/// What an attempt needs to know.
pub(super) struct Attempt<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) endpoint: &'a Rc<EndpointState>,
    pub(super) h2: bool,
    /// On a connection that is newer than the last failure.
    pub(super) since: Option<Instant>,
}

/// How it failed.
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) fault: Fault,
    /// The answer of the endpoint's proxy, which is passed on when there is nowhere else to try.
    pub(super) answered: Option<Answered>,
}

impl Failed {
    fn new(failure: Failure, fault: Fault) -> Self {
        Self { failure, fault, answered: None }
    }
}

impl Attempt<'_> {
    pub(super) async fn make(&self, resend: &mut Resend) -> Result<Answered, Failed> {
        let leased = pool::lease(self.worker, self.endpoint, self.h2, self.since).await;
        let mut lease = leased.map_err(|fault| Failed::new(Failure::Unreached, fault))?;
        let request = resend.request().ok_or_else(|| Failed::new(Failure::Lost, Fault::Closed))?;
        match lease.send(request).await {
            Ok(answer) => match self.word_of_proxy(&answer) {
                None => Ok((answer, lease)),
                Some(Fault::AppUnreachable) => {
                    lease.disregard();
                    self.endpoint.load.borrow_mut().fail(self.worker.now());
                    let answered = Some((answer, lease));
                    Err(Failed { failure: Failure::Unreached, fault: Fault::AppUnreachable, answered })
                }
                Some(_) => {
                    lease.disregard();
                    self.lose();
                    Ok((answer, lease))
                }
            },
            Err(mut error) => {
                tracing::debug!(endpoint = %self.endpoint.endpoint.addr, error = %error.error(), "request failed");
                let given_back = error.take_message().map(|request| resend.put_back(request)).is_some();
                Err(match given_back {
                    true if lease.reused => Failed::new(Failure::Stale, Fault::Closed),
                    true => Failed::new(Failure::Unreached, Fault::Closed),
                    false if is_refused(error.error()) => Failed::new(Failure::Refused, Fault::Refused),
                    false => {
                        // What the client broke off isn't the endpoint's doing.
                        if !error.error().is_user() {
                            self.lose();
                        }
                        Failed::new(Failure::Lost, Fault::Closed)
                    }
                })
            }
        }
    }

    /// What the endpoint's own proxy says of its application: that it takes no connections, or that it lost the request. Only a peer
    /// that has proved who it is can be believed, and its proxy lets no application say so.
    fn word_of_proxy(&self, answer: &Response<Incoming>) -> Option<Fault> {
        self.endpoint.endpoint.identity.as_ref()?;
        let code = answer.headers().get(hop::ERROR)?.as_bytes();
        [Fault::AppUnreachable, Fault::Closed].into_iter().find(|fault| fault.as_str().as_bytes() == code)
    }

    fn lose(&self) {
        if self.endpoint.load.borrow_mut().lose(self.worker.now()) {
            tracing::warn!(endpoint = %self.endpoint.endpoint.addr, "endpoint ejected: it lost one request after the other");
            self.worker.metrics.ejections.inc();
        }
    }
}

/// Has the endpoint said that it hasn't processed the request (RFC 9113 §6.8, §8.7)?
fn is_refused(error: &hyper::Error) -> bool {
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    // A stream ends by the other side's GOAWAY only when that leaves it out; one that is in goes on.
    h2.is_some_and(|h2| {
        h2.is_remote() && (h2.is_go_away() || (h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM)))
    })
}
