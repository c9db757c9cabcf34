//! `isthmus down`: stops a cluster, and removes what it has kept.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::state::StateDir;

/// How long a cluster may take to end its pods before it is killed; the kernel then ends them.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(25);

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// The cluster
    #[arg(long, default_value = super::up::DEFAULT_NAME)]
    name: String,
    /// Every cluster of this user
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

pub(crate) fn run(args: &DownArgs) -> anyhow::Result<ExitCode> {
    let clusters = if args.all { StateDir::all()? } else { named(&args.name)? };
    if clusters.is_empty() {
        println!("no clusters");
    }
    for state in clusters {
        let begun = Instant::now();
        let how = stop(&state)?;
        state.remove()?;
        println!("{}: {how} ({} ms)", state.name, begun.elapsed().as_millis());
    }
    Ok(ExitCode::SUCCESS)
}

/// The cluster of that name, or those that `up --clusters` made under it: NAME-1, NAME-2…
fn named(name: &str) -> anyhow::Result<Vec<StateDir>> {
    let one = StateDir::new(name)?;
    if one.path().exists() {
        return Ok(vec![one]);
    }
    let group: Vec<StateDir> = StateDir::all()?.into_iter().filter(|state| is_numbered(&state.name, name)).collect();
    if group.is_empty() {
        bail!("there is no cluster {name:?}; `isthmus status` lists them");
    }
    Ok(group)
}

fn is_numbered(cluster: &str, name: &str) -> bool {
    let number = cluster.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn stop(state: &StateDir) -> anyhow::Result<&'static str> {
    if !state.is_running()? {
        return Ok("wasn't running; removed");
    }
    let record = state.record().with_context(|| format!("{}: it is only just starting; try again", state.name))?;
    for (signal, how) in [(Signal::SIGTERM, "stopped"), (Signal::SIGKILL, "killed: it didn't stop")] {
        kill(Pid::from_raw(record.pid), signal).with_context(|| format!("process {}", record.pid))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !state.is_running()? {
                return Ok(how);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
    bail!("{}: process {} doesn't end", state.name, record.pid)
}

#[cfg(test)]
mod tests {
    use super::is_numbered;

    #[test]
    fn clusters_made_together_go_together() {
        assert!(is_numbered("two-1", "two") && is_numbered("two-12", "two"));
        for other in ["two", "two-", "two-x", "twofold-1", "one-1", "two-1-1"] {
            assert!(!is_numbered(other, "two"), "{other}");
        }
    }
}
