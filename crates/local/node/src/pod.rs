//! One pod: what runs, what has run, and what the status says of it.

mod container;
mod hooks;
mod launch;
mod probes;
mod shared;
pub(crate) mod state;
mod stop;
mod worker;

pub(crate) use shared::{Context, PodShared};
pub(crate) use stop::exit_code;
pub(crate) use worker::{Orders, run};
