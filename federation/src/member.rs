//! The member: a mesh's controller as the hub and the peers see it.
//!
//! The controller says what it offers ([`Offer`]) and hears what has happened ([`Event`]). Everything that the hub relays
//! is verified here.

mod event;
mod offer;

pub use event::{Event, InvitationState, ToldConflict};
pub use offer::{Offer, Peer, Trust};
