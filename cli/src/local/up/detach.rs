//! `isthmus up --detach`: each cluster is a process of its own, whose steps are shown until it is ready.

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
    let children = plans.iter().map(|plan| start(args, plan)).collect::<anyhow::Result<Vec<_>>>()?;
    for (plan, child) in plans.iter().zip(children) {
        follow(plan, child)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// This very command line without `--detach`, writing to the cluster's log.
fn start(args: &UpArgs, plan: &Plan) -> anyhow::Result<(Child, File)> {
    // Found out here rather than by the child, so that the running cluster's log stays as it is.
    let held = plan.state.hold()?;
    plan.state.forget()?;
    let path = plan.state.log();
    let log = File::options().create(true).truncate(true).write(true).mode(0o600).open(&path);
    let log = log.with_context(|| path.display().to_string())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["up", "--name", &args.name, "--clusters", &args.clusters.to_string()]);
    command.args(["--detached-index", &plan.index.to_string()]);
    if let Some(dir) = &args.data_dir {
        command.arg("--data-dir").arg(std::path::absolute(dir)?);
    }
    if args.no_mesh {
        command.arg("--no-mesh");
    }
    drop(held);
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    Ok((child, File::open(&path)?))
}

/// Shows what the child writes until it is ready, or has failed.
fn follow(plan: &Plan, (mut child, mut log): (Child, File)) -> anyhow::Result<()> {
    loop {
        // In this order: what is printed before the end, or before being ready, is shown.
        let (ended, ready) = (child.try_wait()?, plan.state.record().is_some_and(|r| r.ready));
        let mut text = String::new();
        log.read_to_string(&mut text)?;
        std::io::stdout().write_all(text.as_bytes())?;
        match ended {
            Some(status) => bail!("cluster {:?} didn't start ({status})", plan.state.name),
            None if ready => return Ok(()),
            None => thread::sleep(LOOK_EVERY),
        }
    }
}
