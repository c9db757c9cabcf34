//! Processes of a pod: a container's first one, and those of `exec`.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::Sandbox;
use crate::helper::spec::{ContainerSpec, ExecSpec};
use crate::thread::NamespaceThread;

/// A process to start through the helper.
#[derive(Clone, Debug)]
pub(crate) struct Launch<S> {
    /// This program and its hidden subcommand.
    pub(crate) helper: Vec<OsString>,
    /// What the helper shall do.
    pub(crate) spec: S,
    /// The whole environment of the program.
    pub(crate) env: Vec<(String, String)>,
}

/// A running container: its first process, and the thread that the kernel ties it to.
#[derive(Debug)]
pub(crate) struct Container {
    pub(super) child: Child,
    pid: Pid,
    pub(super) _parent: NamespaceThread,
}

/// A process's output, and its input when it was asked for.
#[derive(Debug)]
pub(crate) struct ExecPipes {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

impl Container {
    /// The first process's id, as this process sees it.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the end. May be dropped and called again.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Whether the first process takes signals yet. Before, the kernel drops them: it is the init of its PID namespace.
    pub(crate) fn listens(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let blocked = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(u64::MAX);
        blocked & (1 << (Signal::SIGTERM as u64 - 1)) != 0
    }

    /// Sends a signal; a process that has ended is left alone.
    pub(crate) fn signal(&self, signal: Signal) {
        // `id` is None once the process has been waited for: its number may be somebody else's by then.
        if self.child.id().is_some() {
            let _already_gone = kill(self.pid, signal);
        }
    }
}

impl Sandbox {
    /// Starts a container: a PID and a mount namespace of its own, and the program in them. Output goes to the pipes.
    pub(crate) async fn start(&self, launch: Launch<ContainerSpec>) -> io::Result<(Container, ExecPipes)> {
        let spec = serde_json::to_string(&launch.spec)?;
        let parent = self.thread_for(None).await?;
        spawn(parent, launch.helper, "container", spec, launch.env, false).await
    }

    /// Starts a further process in a running container's namespaces.
    pub(crate) async fn exec(&self, launch: Launch<ExecSpec>, stdin: bool) -> io::Result<(Container, ExecPipes)> {
        let spec = serde_json::to_string(&launch.spec)?;
        let pid_namespace = File::open(format!("/proc/{}/ns/pid_for_children", launch.spec.container_pid))?;
        let parent = self.thread_for(Some(pid_namespace)).await?;
        spawn(parent, launch.helper, "exec", spec, launch.env, stdin).await
    }
}

async fn spawn(
    parent: NamespaceThread,
    helper: Vec<OsString>,
    mode: &'static str,
    spec: String,
    env: Vec<(String, String)>,
    stdin: bool,
) -> io::Result<(Container, ExecPipes)> {
    let mut child = parent
        .run(move || {
            let (program, prefix) = helper.split_first().ok_or(io::ErrorKind::InvalidInput)?;
            Command::new(program)
                .args(prefix)
                .args([mode, &spec])
                .env_clear()
                .envs(env)
                .stdin(if stdin { Stdio::piped() } else { Stdio::null() })
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
        })
        .await??;
    let id =
        child.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(|| io::Error::other("the process has no id"))?;
    let pipes = ExecPipes { stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
    Ok((Container { child, pid: Pid::from_raw(id), _parent: parent }, pipes))
}
