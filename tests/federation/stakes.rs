//! What a federation must have before it may be called one: ten points, each a test.

pub(crate) mod calls;
pub(crate) mod check;
pub(crate) mod joining;
pub(crate) mod roots;
pub(crate) mod sharing;
pub(crate) mod staleness;
