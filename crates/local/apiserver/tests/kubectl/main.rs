//! The real `kubectl` against the server: each command that needs no running Pod.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod apply;
mod auth;
mod delete;
mod get;
mod run;
#[path = "../support/server.rs"]
mod server;
mod wait;
mod write;
