//! Federation (design §8): one hub over many meshes, none of which has to trust it, or each other's root.
//!
//! - [`bundle_endpoint`]: where a trust domain publishes its roots for those that have no hub in common with it.
//! - [`catalog`]: what a cluster of a mesh offers to a peer: its changes, its age, and the merging of several clusters.
//! - [`hub`]: who has joined, and the relay between them.
//! - [`invitation`]: how a mesh comes to be admitted: one token, used once.
//! - [`member`]: a mesh's controller as the hub and the peers see it.
//!
//! The hub relays; what it relays is signed by a mesh's controller for one audience, or, for a bundle, by a root of the
//! bundle before. Decisions are pure functions of state, input and time; the network is a thin shell round them.

pub mod bundle_endpoint;
pub mod catalog;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod hub;
pub mod invitation;
pub mod limits;
pub mod member;
pub mod names;
pub mod wire;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod network;
#[cfg(test)]
mod siblings;
#[cfg(test)]
mod simulation;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, reason = "the fuzz targets need a part of it"))]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "only tests and fuzz targets are built with it"
)]
pub(crate) mod testing;
