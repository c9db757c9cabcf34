//! Processes that a killed cluster left. Pods' die with it; these can't be told to.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// In the environment of our processes: the cluster's state directory.
pub(super) const MARK: &str = "ISTHMUS_LOCAL_CLUSTER";

/// Kills the processes of an earlier cluster in this state directory, which must be ours by now.
pub(crate) fn end_leftovers(state_dir: &Path) {
    let mark = format!("{MARK}={}", state_dir.display());
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(environment) = fs::read(process.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            tracing::warn!(pid, "ending a process that a killed cluster left");
            // It may end by itself just now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
