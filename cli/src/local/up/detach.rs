//! `isthmus up --detach`: each cluster, or those of joined meshes together, is a process of its own, whose steps are shown until it
//! is ready.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

use super::{Plan, UpArgs};

const LOOK_EVERY: Duration = Duration::from_millis(25);

pub(super) fn run(args: &UpArgs, plans: &[Plan]) -> anyhow::Result<ExitCode> {
    // Clusters whose networks are joined share a process.
    let size = if args.meshes.is_empty() { 1 } else { plans.len() };
    let groups: Vec<&[Plan]> = plans.chunks(size).collect();
    let children = groups.iter().map(|plans| start(args, plans)).collect::<anyhow::Result<Vec<_>>>()?;
    for (plans, child) in groups.into_iter().zip(children) {
        follow(plans, child)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// This very command line without `--detach`, writing to the (first) cluster's log.
fn start(args: &UpArgs, plans: &[Plan]) -> anyhow::Result<(Child, File)> {
    let first = plans.first().context("no clusters")?;
    // Found out here rather than by the child, so that the running cluster's log stays as it is.
    let held = plans.iter().map(|plan| plan.state.hold()).collect::<anyhow::Result<Vec<_>>>()?;
    plans.iter().try_for_each(|plan| plan.state.forget())?;
    let path = first.state.log();
    let log = File::options().create(true).truncate(true).write(true).mode(0o600).open(&path);
    let log = log.with_context(|| path.display().to_string())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["up", "--name", &args.name, "--detached-index", &first.index.to_string()]);
    if args.meshes.is_empty() {
        command.args(["--clusters", &args.clusters.to_string()]);
    } else {
        command.args(["--meshes", &args.meshes.join(",")]);
    }
    if let Some(dir) = &args.data_dir {
        command.arg("--data-dir").arg(std::path::absolute(dir)?);
    }
    command.args(args.traces.to_args());
    if args.no_join {
        command.arg("--no-join");
    }
    if args.no_mesh {
        command.arg("--no-mesh");
    }
    let told = File::open(&path)?;
    drop(held);
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    Ok((child, told))
}

/// Shows what the child writes until all is ready, or has failed.
fn follow(plans: &[Plan], (mut child, mut log): (Child, File)) -> anyhow::Result<()> {
    loop {
        // In this order: what is printed before the end, or before being ready, is shown.
        let ended = child.try_wait()?;
        let ready = plans.iter().all(|plan| plan.state.record().is_some_and(|record| record.ready));
        let mut text = String::new();
        log.read_to_string(&mut text)?;
        std::io::stdout().write_all(text.as_bytes())?;
        match ended {
            Some(status) => {
                let names: Vec<&str> = plans.iter().map(|plan| plan.state.name.as_str()).collect();
                bail!("cluster {:?} didn't start ({status})", names.join(", "))
            }
            None if ready => return Ok(()),
            None => thread::sleep(LOOK_EVERY),
        }
    }
}
