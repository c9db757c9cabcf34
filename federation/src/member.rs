//! The member: a mesh's controller as the hub and the peers see it.
//!
//! The controller says what it offers ([`Offer`]) and hears what has happened ([`Event`]). Everything that the hub relays
//! is verified here.

mod connect;
mod event;
mod exporter;
mod importer;
mod introduction;
mod join;
mod offer;
mod run;
mod state;

pub use event::{Event, InvitationState, ToldConflict};
pub use join::{HubRef, JoinError, Joined, Joiner, join};
pub use offer::{Custody, Offer, Peer, Trust};
pub use run::{Parts, run};

pub(crate) use introduction::Introduction;
#[cfg(any(test, fuzzing))]
pub(crate) use state::State;
#[cfg(test)]
pub(crate) use {connect::channel, introduction::request};
