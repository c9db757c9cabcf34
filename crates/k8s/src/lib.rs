//! What the mesh asks of Kubernetes: the types of its custom resources, watches that one malformed object can't
//! stop, and the lease that decides who writes.

pub mod access;
pub mod convert;
pub mod crd;
pub mod federation;
pub mod lease;
pub mod specs;
pub mod split;
pub mod status;
pub mod watch;

pub use crd::{crds, files};
