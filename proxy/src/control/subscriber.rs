//! What the session is for: the one side of it that differs between the sidecar and the gateway.

use std::{fmt, future::Future};

use isthmus_api::control::v1::{ControllerMessage, Subscribe, proxy_message::Message};
use isthmus_identity::Bundle;

/// What a message of the controller comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<C> {
    /// A new content, to be applied everywhere before it is held.
    Apply(C),
    /// What is held is the present version.
    Held,
    /// It can't be taken; what is held stays.
    Refuse(String),
    /// A delta to something that isn't held: refuse, and ask for the whole.
    Resubscribe(String),
    /// Nobody asked for it (any more).
    Stray,
}

/// Whoever subscribes to the controller's resources, holds them and puts them into use.
pub trait Subscriber: Send {
    /// A new content of a resource.
    type Change: Clone + fmt::Debug + Send + Sync;
    /// Something that it wants of its own accord.
    type Wish: Send;

    /// Every subscription with the version held, for a new session.
    fn all(&self) -> Vec<Subscribe>;

    /// The same of what it can do without: a controller that is older than they are ends the session over them, and isn't asked again.
    fn extras(&self) -> Vec<Subscribe> {
        Vec::new()
    }

    /// Judges a message. Nothing is held until [`Self::hold`].
    fn judge(&self, message: ControllerMessage) -> Verdict<Self::Change>;

    /// The roots in a change: they are trusted before it is applied, or it is refused.
    fn bundles(change: &Self::Change) -> Option<&[Bundle]>;

    /// Puts a change into use; done only when it is.
    fn apply(&mut self, change: &Self::Change) -> impl Future<Output = ()> + Send;

    /// The connections that changes have cut since the last call, because nobody of the mesh at their other end is let in or called
    /// any more.
    fn take_cut(&mut self) -> u32 {
        0
    }

    /// Holds what was applied.
    fn hold(&mut self, change: Self::Change, version: String);

    /// Waits for the next wish. It may be dropped and asked again at any time.
    fn wish(&mut self) -> impl Future<Output = Self::Wish> + Send;

    /// Takes a wish down while there is no session.
    fn note(&mut self, wish: Self::Wish);

    /// Fulfils a wish; what is to be sent for it.
    fn fulfil(&mut self, wish: Self::Wish) -> impl Future<Output = Vec<Message>> + Send;
}
