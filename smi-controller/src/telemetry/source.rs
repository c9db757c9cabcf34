//! Where the answers come from: the controller's own store, or Prometheus.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::model::{Direction, Observation};

/// Whose namespace narrows a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The workload's whose proxy counted.
    Own,
    /// The other end's, in this mesh.
    Peer,
    /// The Service's that was called.
    Service,
    /// The split's.
    Split,
}

/// Which parts of an observation matter. A source may sum up over the others, or leave them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Keep {
    pub(crate) own: bool,
    pub(crate) peer: bool,
    pub(crate) service: bool,
    /// With the backend.
    pub(crate) split: bool,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// How far back from now.
    pub(crate) window: Duration,
    /// As which side has counted.
    pub(crate) direction: Direction,
    /// Only what has to do with this namespace. A source may say more.
    pub(crate) within: Option<(Of, Arc<str>)>,
    pub(crate) keep: Keep,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Answer {
    pub(crate) observations: Vec<Observation>,
    /// What it lacks, for a human: nothing if it is whole.
    pub(crate) warnings: Vec<String>,
}

/// Why there is no answer. The text names what was asked, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    /// It can't be asked, or makes no sense: 503.
    #[error("{0}")]
    Unavailable(String),
    /// It took too long: 504.
    #[error("{0}")]
    Timeout(String),
}

/// Whom the API asks. One call may be answered by several questions.
pub(crate) trait Source: Send + Sync + 'static {
    /// What was seen within the window. Sorts of traffic in which nothing ended are left out.
    fn observe(&self, query: Query) -> BoxFuture<'_, Result<Answer, SourceError>>;
}
