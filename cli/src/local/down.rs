//! `isthmus down`: stops a cluster, and removes what it has kept.

use std::{
    collections::BTreeSet,
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
use crate::stdout;

/// How long a cluster may take to end its pods before it is killed; the kernel then ends them.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(25);

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// The cluster, or those that were started together under this name
    #[arg(long, default_value = super::up::DEFAULT_NAME)]
    name: String,
    /// Every cluster of this user
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

pub(crate) fn run(args: &DownArgs) -> anyhow::Result<ExitCode> {
    let (clusters, alone) = if args.all { (StateDir::all()?, false) } else { named(&args.name)? };
    if clusters.is_empty() {
        stdout::say("no clusters\n")?;
    }
    // Before any is told to end: those that share its process end with it.
    let found = clusters.into_iter().map(|state| Ok((state.is_running()?, state)));
    let mut told = BTreeSet::new();
    for (running, state) in found.collect::<anyhow::Result<Vec<_>>>()? {
        let begun = Instant::now();
        let how = match (running, alone) {
            (false, _) => "wasn't running; removed",
            (true, true) => stop_alone(&state)?,
            (true, false) => stop(&state, &mut told)?,
        };
        state.remove()?;
        stdout::say(&format!("{}: {how} ({} ms)\n", state.name, begun.elapsed().as_millis()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The cluster of that name, and whether others share its process; or those that `up --meshes` made under it, or
/// `up --clusters`: NAME-1, NAME-2…
fn named(name: &str) -> anyhow::Result<(Vec<StateDir>, bool)> {
    let group = |state: &StateDir| state.record().and_then(|record| record.group);
    let one = StateDir::new(name)?;
    if one.path().exists() {
        let alone = group(&one).is_some();
        return Ok((vec![one], alone));
    }
    let ours = |state: &StateDir| group(state).as_deref() == Some(name) || is_numbered(&state.name, name);
    let all: Vec<StateDir> = StateDir::all()?.into_iter().filter(ours).collect();
    if all.is_empty() {
        bail!("there is no cluster {name:?}; `isthmus status` lists them");
    }
    Ok((all, false))
}

fn is_numbered(cluster: &str, name: &str) -> bool {
    let number = cluster.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Ends one of several clusters of a process.
fn stop_alone(state: &StateDir) -> anyhow::Result<&'static str> {
    let (name, record) = (&state.name, state.record());
    let group = record.as_ref().and_then(|record| record.group.clone()).unwrap_or_default();
    if !record.is_some_and(|record| record.ready) {
        bail!("{name}: is starting, together with others; try again, or end them all by `isthmus down --name {group}`");
    }
    state.ask_to_end()?;
    if has_ended(state)? {
        return Ok("stopped");
    }
    bail!("{name}: doesn't end; `isthmus down --name {group}` ends its process, and the clusters beside it")
}

/// Ends a process, and with it every cluster that it runs. A process is `told` once: of a second time it would make haste.
fn stop(state: &StateDir, told: &mut BTreeSet<i32>) -> anyhow::Result<&'static str> {
    if !state.is_running()? {
        return Ok("stopped");
    }
    let record = state.record().with_context(|| format!("{}: it is only just starting; try again", state.name))?;
    for (signal, how) in [(Signal::SIGTERM, "stopped"), (Signal::SIGKILL, "killed: it didn't stop")] {
        if signal == Signal::SIGKILL || told.insert(record.pid) {
            kill(Pid::from_raw(record.pid), signal).with_context(|| format!("process {}", record.pid))?;
        }
        if has_ended(state)? {
            return Ok(how);
        }
    }
    bail!("{}: process {} doesn't end", state.name, record.pid)
}

/// Waits for it.
fn has_ended(state: &StateDir) -> anyhow::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if !state.is_running()? {
            return Ok(true);
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(false)
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
