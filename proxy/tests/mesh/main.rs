//! Whole sidecars in one process, against a scripted control plane and small applications on loopback addresses. The kernel's
//! redirect is stood in for by listeners whose original destination is given.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod access;
mod control;
mod edges;
mod faults;
mod hostile;
mod lifecycle;
mod meshes;
mod protocols;
mod renewal;
mod split;
mod support;
mod telemetry;
mod traces;
mod trust;
mod wire;
