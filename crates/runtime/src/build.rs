//! What this build is.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Gauge, IntGauge, Opts, Registry};

use crate::logging;

/// The version of the workspace.
#[cfg(not(feature = "broken"))]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version of the workspace, with a mark that no release has.
#[cfg(feature = "broken")]
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+broken-on-purpose");

/// `isthmus <version>`, as in `isthmus version`.
pub fn line() -> String {
    format!("isthmus {VERSION} ({} {})", std::env::consts::OS, std::env::consts::ARCH)
}

/// Registers `isthmus_build_info{role,version} 1`, the time of the start, and the count of log lines that couldn't be written.
pub fn register(registry: &Registry, role: &str) -> Result<(), prometheus::Error> {
    let opts = Opts::new("isthmus_build_info", "The build that runs; always 1.")
        .const_label("role", role)
        .const_label("version", VERSION);
    let info = IntGauge::with_opts(opts)?;
    info.set(1);
    registry.register(Box::new(info))?;
    let started = Gauge::new("isthmus_start_time_seconds", "When the process began to count, Unix time.")?;
    started.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    registry.register(Box::new(started))?;
    match logging::dropped() {
        Some(dropped) => registry.register(Box::new(dropped)),
        None => Ok(()),
    }
}
