//! The last steps before the program: join, give up privileges, exec.

use std::ffi::{CString, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, fexecve, setsid};
use tokio::signal::unix::SignalKind;

use super::spec::{ExecSpec, ProgramSpec};
use super::{NOT_STARTED, privileges};

/// Why the program doesn't run, and the exit status that says so.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    text: String,
}

impl Failure {
    pub(super) fn new(code: u8, text: String) -> Self {
        Failure { code, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::new(NOT_STARTED, format!("the node's instructions can't be read: {error}"))
    }
}

/// For `map_err`: the failure to do `what`.
pub(super) fn step<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Failure {
    move |error| Failure::new(NOT_STARTED, format!("cannot {what}: {}", error.into()))
}

/// Joins a running container, and becomes the program.
pub(super) fn exec(spec: &ExecSpec) -> Result<u8, Failure> {
    if let Some(terminal) = &spec.terminal {
        take_terminal(terminal).map_err(step("take the terminal"))?;
    }
    let mounts = File::open(format!("/proc/{}/ns/mnt", spec.container_pid)).map_err(step("find the container"))?;
    setns(mounts, CloneFlags::CLONE_NEWNS).map_err(step("enter the container"))?;
    run(&spec.program)
}

/// A new session's first terminal becomes the one that controls it.
fn take_terminal(path: &Path) -> io::Result<()> {
    setsid()?;
    let terminal = OpenOptions::new().read(true).write(true).open(path)?;
    dup2_stdin(&terminal)?;
    dup2_stdout(&terminal)?;
    dup2_stderr(&terminal)?;
    Ok(())
}

/// Becomes the program.
pub(super) fn run(spec: &ProgramSpec) -> Result<u8, Failure> {
    let name = spec.argv.first().ok_or_else(|| Failure::new(127, "the container has no program".into()))?;
    let path = find(name, std::env::var_os("PATH").as_deref());
    let path =
        path.ok_or_else(|| Failure::new(127, format!("cannot run {name:?}: no such program in the container's PATH")))?;
    // Opened while still privileged: a program under a directory that only root may enter can then be run by others too.
    let handle = open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    privileges::drop_to(spec)?;
    // The container's first process has all signals blocked, and children inherit that.
    SigSet::empty().thread_set_mask().map_err(step("unblock signals"))?;
    heed_signals().map_err(step("heed signals"))?;
    if let Some(directory) = spec.cwd.as_deref().or(Some(Path::new("/"))) {
        let missing =
            |error| Failure::new(126, format!("cannot enter the working directory {}: {error}", directory.display()));
        std::env::set_current_dir(directory).map_err(missing)?;
    }
    // The standard library's exec also undoes what its runtime did to SIGPIPE.
    let error = Command::new(&path).arg0(name).args(spec.argv.iter().skip(1)).exec();
    let error = match (error, handle) {
        (error, Ok(handle)) if error.kind() == io::ErrorKind::PermissionDenied => exec_handle(&handle, spec)?,
        (error, _) => error,
    };
    Err(Failure::new(126, format!("cannot run {}: {}", path.display(), error)))
}

/// Signals that this process was told to ignore, as by `nohup`, are to reach the program: one with a handler is as it is by
/// default after exec. What the standard library ignores, it undoes itself.
fn heed_signals() -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    let is_ignored = |signal: &Signal| mask & (1 << (*signal as i32 - 1)) != 0;
    let ignored: Vec<Signal> = Signal::iterator().filter(is_ignored).filter(|s| *s != Signal::SIGPIPE).collect();
    if ignored.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _within = runtime.enter();
    for signal in ignored {
        // The handler stays; nobody waits for it.
        let _ = tokio::signal::unix::signal(SignalKind::from_raw(signal as i32))?;
    }
    Ok(())
}

/// Runs what is already open; the error if that fails.
fn exec_handle(handle: &OwnedFd, spec: &ProgramSpec) -> Result<io::Error, Failure> {
    let argv = spec.argv.iter().map(|arg| c_string(arg.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let pair = |(name, value): (OsString, OsString)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat());
    let env = std::env::vars_os().map(pair).collect::<Result<Vec<_>, _>>()?;
    let Err(error) = fexecve(handle, &argv, &env);
    Ok(error.into())
}

/// The first file of that name in PATH, or the path itself if it has a slash.
fn find(name: &str, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name));
    }
    std::env::split_paths(path?).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn c_string(bytes: &[u8]) -> Result<CString, Failure> {
    CString::new(bytes).map_err(|_| Failure::new(NOT_STARTED, "an argument or variable holds a zero byte".into()))
}
