//! The east-west gateway: it takes mesh TLS on one port, reads where it is going (SNI), and relays the bytes as they are. It has no
//! workload's key, can't read what it relays, and can't pretend to be anybody: identities meet end to end (design §8).
//!
//! - *Ingress*: a service of this mesh that is exported to anyone, or the one pod of it that the name's token means.
//! - *Egress*: a service imported from another mesh, by one of that mesh's gateways.
//!
//! What may be relayed comes from the controller. Who may call a service is decided at the callee, by the caller's identity.

mod admission;
mod config;
mod connection;
mod control;
mod dial;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hello;
pub mod limits;
mod live;
mod metrics;
mod passing;
mod preface;
mod refusal;
mod relay;
mod saved;
mod start;
mod worker;

pub use config::{ADMIN_PORT, Config, PORT};
pub use error::Error;
pub use start::run;
