//! Proxies as processes: started in a namespace, watched by /proc, ended with this process.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::namespace::Namespace;

/// `USER_HZ`: the unit of the times in /proc, the same on every architecture that the mesh runs on.
const TICK: Duration = Duration::from_millis(10);
/// Memory is counted in pages by /proc/<pid>/stat, in KiB by /proc/<pid>/status; the latter is read.
const KIB_PER_MIB: f64 = 1024.0;
/// How long a process may take to end when it is asked to.
const END: Duration = Duration::from_secs(5);

/// `exec PROGRAM ARGS…`
#[derive(Debug, clap::Args)]
pub(crate) struct ExecArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// Asks for SIGTERM at the death of the parent thread, and becomes the program.
pub(crate) fn exec(args: &ExecArgs) -> anyhow::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
    let (program, rest) = args.command.split_first().context("no program is given")?;
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("can't start {}", program.display()))
}

/// A running proxy, with the processes that it has started.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What a proxy has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all its processes.
    pub(crate) cpu: Duration,
    /// Resident memory of its largest process.
    pub(crate) rss_mib: f64,
}

impl Process {
    /// Starts a program in a namespace. What it writes goes to `<name>.log` in `dir`.
    pub(crate) fn start(namespace: &Namespace, name: &str, command: Vec<OsString>, dir: &Path) -> anyhow::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        // At the end, wherever that is: lines that were counted are taken away.
        let output = File::options().create(true).append(true).open(&log)?;
        // Not by its path: a build may have replaced the file meanwhile.
        let mut exec = Command::new("/proc/self/exe");
        exec.arg("exec").arg("--").args(command).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = namespace.run(move || exec.spawn())?.with_context(|| format!("can't start {name}"))?;
        Ok(Self { name: name.into(), child, log })
    }

    /// Runs a program in a namespace to its end.
    pub(crate) fn run(namespace: &Namespace, name: &str, command: Vec<OsString>, dir: &Path) -> anyhow::Result<()> {
        let mut process = Self::start(namespace, name, command, dir)?;
        let status = process.child.wait()?;
        if !status.success() {
            bail!("{name}: {status}\n{}", process.said());
        }
        Ok(())
    }

    /// Fails when it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended: {status}\n{}", self.name, self.said()),
        }
    }

    /// The last lines that it has written.
    pub(crate) fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// How many lines it has written since the last time. They are gone then.
    pub(crate) fn take_lines(&self) -> anyhow::Result<usize> {
        let lines = fs::read(&self.log)?.iter().filter(|byte| **byte == b'\n').count();
        File::options().write(true).open(&self.log)?.set_len(0)?;
        Ok(lines)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = signal(self.pid(), Signal::SIGTERM);
        let end = Instant::now() + END;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    Ok(kill(Pid::from_raw(pid.try_into()?), signal)?)
}

/// What a process and its descendants have used.
pub(crate) fn usage(pid: u32) -> anyhow::Result<Usage> {
    let mut usage = Usage::default();
    for pid in tree(pid)? {
        // A helper process may end between the two looks.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        usage.cpu += cpu(&stat).with_context(|| format!("can't read /proc/{pid}/stat: {stat}"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        usage.rss_mib = usage.rss_mib.max(rss_mib(&status));
    }
    Ok(usage)
}

/// How long the threads of a process have run, to the nanosecond; those that have ended don't count.
pub(crate) fn ran(pid: u32) -> anyhow::Result<Duration> {
    let mut ran = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let nanos = stat.split_ascii_whitespace().next().and_then(|nanos| nanos.parse().ok());
        ran += Duration::from_nanos(nanos.unwrap_or_default());
    }
    Ok(ran)
}

/// Open file descriptors of a process.
pub(crate) fn open_files(pid: u32) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// A process and its descendants.
fn tree(root: u32) -> anyhow::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(parent) = field(&stat, 4) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(&below);
        next.extend(below);
    }
    Ok(found)
}

/// A numeric field of /proc/<pid>/stat by its number in proc(5); the name before it may hold anything.
fn field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu(stat: &str) -> Option<Duration> {
    let ticks = field::<u32>(stat, 14)?.checked_add(field(stat, 15)?)?;
    Some(TICK * ticks)
}

fn rss_mib(status: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.and_then(|l| l.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default();
    kib / KIB_PER_MIB
}

#[cfg(test)]
mod tests;
