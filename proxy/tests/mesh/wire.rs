//! What the protocols promise, end to end.
