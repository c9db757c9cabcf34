//! The node as the kubelet API's [`Runtime`]: logs, exec, port-forward.

mod terminal;

use std::io;
use std::sync::Arc;

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use isthmus_local_kubelet::{ContainerRef, ExecOptions, ExecProcess, LogOptions, LogStream, Runtime, RuntimeError};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::logs;
use crate::node::{Node, Pods};
use crate::pod::PodShared;
use crate::pod::exit_code;
use crate::pod::state::{ContainerState, Phase};

/// Pieces of a log that wait for a slow reader.
const WAITING_PIECES: usize = 8;

/// Answers the kubelet API for a [`Node`].
#[derive(Clone)]
pub struct NodeRuntime {
    pods: Arc<Pods>,
}

impl Node {
    /// What the kubelet API's server needs.
    pub fn runtime(&self) -> NodeRuntime {
        NodeRuntime { pods: Arc::clone(&self.pods) }
    }
}

impl NodeRuntime {
    fn pod(&self, namespace: &str, pod: &str) -> Result<Arc<PodShared>, RuntimeError> {
        let unknown = || RuntimeError::UnknownPod { namespace: namespace.to_owned(), pod: pod.to_owned() };
        self.pods.find(namespace, pod).ok_or_else(unknown)
    }

    fn container(&self, wanted: &ContainerRef) -> Result<(Arc<PodShared>, ContainerState), RuntimeError> {
        let pod = self.pod(&wanted.namespace, &wanted.pod)?;
        let known = pod.state.borrow().containers.get(&wanted.container).cloned();
        let unknown =
            || RuntimeError::UnknownContainer { pod: wanted.pod.clone(), container: wanted.container.clone() };
        Ok((pod, known.ok_or_else(unknown)?))
    }
}

fn not_running(wanted: &ContainerRef, state: &ContainerState) -> RuntimeError {
    let state = match &state.phase {
        Phase::Waiting { reason, .. } => format!("waiting to start: {reason}"),
        Phase::Running { .. } => "about to end".to_owned(),
        Phase::Ended(_) => "terminated".to_owned(),
    };
    RuntimeError::NotRunning { pod: wanted.pod.clone(), container: wanted.container.clone(), state }
}

/// Which run's log is meant. None: that one hasn't begun.
fn run(state: &ContainerState, previous: bool) -> Option<i32> {
    let waits = matches!(state.phase, Phase::Waiting { .. });
    match (previous, waits) {
        // In back-off the last run is both the present one and, for `--previous`, what it is asked for.
        (_, true) => state.last.as_ref().map(|_| state.restarts),
        (false, false) => Some(state.restarts),
        (true, false) => state.restarts.checked_sub(1).filter(|run| *run >= 0),
    }
}

fn since(options: &LogOptions) -> Result<Option<Timestamp>, RuntimeError> {
    if let Some(text) = &options.since_time {
        let bad =
            |_| RuntimeError::InvalidOption { field: "sinceTime", value: text.clone(), wanted: "a time in RFC 3339" };
        return text.parse().map(Some).map_err(bad);
    }
    let ago = options.since_seconds.and_then(|seconds| i64::try_from(seconds).ok()).map(SignedDuration::from_secs);
    Ok(ago.map(|ago| Timestamp::now().saturating_sub(ago).unwrap_or(Timestamp::MIN)))
}

impl NodeRuntime {
    async fn open_logs(&self, wanted: &ContainerRef, options: LogOptions) -> Result<LogStream, RuntimeError> {
        let (pod, state) = self.container(wanted)?;
        let run = match (run(&state, options.previous), options.previous) {
            (Some(run), _) => run,
            (None, true) => {
                return Err(RuntimeError::NoPrevious { pod: wanted.pod.clone(), container: wanted.container.clone() });
            }
            (None, false) => return Err(not_running(wanted, &state)),
        };
        let path = logs::file(&pod.log_directory, &wanted.container, run);
        let wanted_lines = logs::LogOptions {
            follow: options.follow && !options.previous,
            tail_lines: options.tail_lines.and_then(|lines| usize::try_from(lines).ok()),
            limit_bytes: options.limit_bytes,
            since: since(&options)?,
            timestamps: options.timestamps,
        };
        let growth = pod.log(&wanted.container).map(|log| log.growth());
        let (out, pieces) = mpsc::channel(WAITING_PIECES);
        tokio::spawn(async move {
            if let Err(error) = logs::read(&path, &wanted_lines, growth, out.clone()).await {
                let _reader_gone = out.send(Err(error)).await;
            }
        });
        Ok(futures::stream::unfold(pieces, async |mut pieces| pieces.recv().await.map(|piece| (piece, pieces))).boxed())
    }

    async fn start(
        &self,
        wanted: &ContainerRef,
        argv: Vec<String>,
        options: ExecOptions,
    ) -> Result<ExecProcess, RuntimeError> {
        let (pod, state) = self.container(wanted)?;
        if !state.is_running() {
            return Err(not_running(wanted, &state));
        }
        let program = argv.first().cloned().unwrap_or_default();
        let failed = |source: io::Error| RuntimeError::Start { program: program.clone(), source };
        if options.tty {
            let terminal = terminal::Terminal::open().map_err(failed)?;
            let (process, _) =
                pod.exec(&wanted.container, argv, Some(terminal.path.clone()), false).await.map_err(failed)?;
            return terminal.attach(process, options).map_err(failed);
        }
        let (mut process, pipes) = pod.exec(&wanted.container, argv, None, options.stdin).await.map_err(failed)?;
        Ok(ExecProcess {
            stdin: pipes.stdin.map(|pipe| Box::new(pipe) as Box<dyn AsyncWrite + Send + Unpin>),
            stdout: pipes
                .stdout
                .filter(|_| options.stdout)
                .map(|pipe| Box::new(pipe) as Box<dyn AsyncRead + Send + Unpin>),
            stderr: pipes
                .stderr
                .filter(|_| options.stderr)
                .map(|pipe| Box::new(pipe) as Box<dyn AsyncRead + Send + Unpin>),
            resize: None,
            exit: async move { process.wait().await.map_or(-1, exit_code) }.boxed(),
        })
    }
}

impl Runtime for NodeRuntime {
    fn logs<'a>(
        &'a self,
        container: &'a ContainerRef,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, RuntimeError>> {
        self.open_logs(container, options).boxed()
    }

    fn exec<'a>(
        &'a self,
        container: &'a ContainerRef,
        argv: Vec<String>,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecProcess, RuntimeError>> {
        self.start(container, argv, options).boxed()
    }

    fn connect<'a>(&'a self, namespace: &'a str, pod: &'a str, port: u16) -> BoxFuture<'a, io::Result<TcpStream>> {
        async move {
            let pod = self.pod(namespace, pod).map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
            pod.sandbox()?.dial(port).await
        }
        .boxed()
    }
}
