//! Linkerd's own kinds.

pub(crate) mod condition;
pub(crate) mod profile;
