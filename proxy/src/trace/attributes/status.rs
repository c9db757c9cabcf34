//! Has a request failed, and how? The two sides see it differently: to a server, a client's mistake is no failure of its own.

use std::borrow::Cow;

use super::Finished;
use crate::metrics::Direction;

/// Statuses of gRPC that are the server's failure: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
const SERVER_FAILED: [u32; 6] = [2, 4, 12, 13, 14, 15];

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) failed: bool,
    /// In a word of which there are few.
    pub(super) error: Option<Cow<'static, str>>,
}

impl Ended {
    pub(super) fn of(of: &Finished) -> Self {
        let inbound = of.direction == Direction::Inbound;
        let denied = of.denied.filter(|_| of.callee.is_none());
        let word = denied.map(|code| code.as_str()).or(of.fault.map(|fault| fault.as_str()));
        let failed = match (of.grpc.flatten(), of.status) {
            (Some(0), _) => false,
            (Some(status), _) if inbound => SERVER_FAILED.contains(&status),
            (Some(_), _) => true,
            // Nobody has answered: the client has gone.
            (None, 0) => true,
            (None, status) => status >= if inbound { 500 } else { 400 },
        };
        let error = failed.then(|| match (word, of.grpc.flatten(), of.status) {
            (Some(word), _, _) => Cow::Borrowed(word),
            (None, Some(status), _) => Cow::Owned(status.to_string()),
            (None, None, 0) => Cow::Borrowed("cancelled"),
            (None, None, status) => Cow::Owned(status.to_string()),
        });
        Self { failed, error }
    }
}
