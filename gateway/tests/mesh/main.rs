//! Gateways in this process, real mesh TLS through them, and a control plane that says what the test tells it to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    unreachable_pub
)]

mod hello;
mod identity;
mod lifecycle;
mod limits;
mod preface;
mod relay;
mod routes;
mod support;
