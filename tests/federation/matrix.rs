//! What fails, what goes on, and for how long: each row of `docs/federation-failures.md` is a test.

pub(crate) mod addresses;
pub(crate) mod clocks;
pub(crate) mod gateways;
pub(crate) mod hub;
pub(crate) mod network;
