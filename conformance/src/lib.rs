//! The SMI conformance suite as a program: a black box test over the Kubernetes API and the traffic of ordinary pods.
//!
//! Cases ([`case`]) and what is peculiar to a mesh ([`profile`]) are data. [`run`] makes what a case needs in namespaces of its own,
//! drives traffic from inside, and judges what came; [`report`] tells it.

pub mod case;
mod door;
mod error;
mod expected;
mod judge;
mod kube_api;
mod manifest;
pub mod meshes;
pub mod profile;
pub mod report;
pub mod run;
pub mod select;
pub mod statistics;
mod versions;
mod yaml;

pub use error::Error;
