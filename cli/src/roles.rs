//! The roles: command line to configuration, a runtime of the right kind, and the library's `run`.

#[cfg(any(feature = "gateway", feature = "hub", feature = "proxy"))]
mod control;
#[cfg(feature = "controller")]
pub(crate) mod controller;
#[cfg(feature = "gateway")]
pub(crate) mod gateway;
#[cfg(feature = "hub")]
pub(crate) mod hub;
#[cfg(feature = "proxy")]
pub(crate) mod proxy;
#[cfg(feature = "proxy")]
pub(crate) mod redirect;
#[cfg(feature = "proxy")]
mod trace;

use std::future::Future;

use isthmus_runtime::logging::Format;

use crate::{app, args::LogArgs};

pub(crate) fn app(log: &LogArgs, args: app::AppArgs) -> anyhow::Result<()> {
    log.for_service(Format::Text, "info")?;
    on_one_thread(app::run(args))
}

/// Runs on a runtime of the calling thread.
pub(crate) fn on_one_thread<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
