//! Speaking to other meshes: the replica that leads does, and writes what it hears into objects that all replicas follow.
//!
//! What is offered to peers comes out of the index ([`crate::compile::outlook`]); the member
//! ([`isthmus_federation::member`]) tells the hub, verifies what it relays, and says what has happened. [`session`] keeps
//! that, [`catalogs`] what it means for imports; [`lead`] makes objects agree with both.

mod addresses;
mod catalogs;
mod dial;
mod endpoints;
mod invitations;
mod lead;
mod links;
mod lookups;
mod metrics;
mod offer;
mod revocation;
mod services;
mod serving;
mod session;
mod statuses;
mod task;
mod writes;

pub(crate) use metrics::FederationMetrics;
pub(crate) use serving::publish;
pub(crate) use task::{Parts, Task};
