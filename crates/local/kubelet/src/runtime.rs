//! What the kubelet API needs of whoever runs the containers.

use std::io;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Runs containers. The server answers for it over HTTP.
pub trait Runtime: Send + Sync + 'static {
    /// A container's log. With `follow`, the stream stays open until the container has ended and everything was read.
    fn logs<'a>(
        &'a self,
        container: &'a ContainerRef,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, RuntimeError>>;

    /// Starts a program in a running container. Dropping the answer ends the program.
    fn exec<'a>(
        &'a self,
        container: &'a ContainerRef,
        argv: Vec<String>,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecProcess, RuntimeError>>;

    /// Connects to a port of the pod, as if from its own `localhost`.
    fn connect<'a>(&'a self, namespace: &'a str, pod: &'a str, port: u16) -> BoxFuture<'a, io::Result<TcpStream>>;
}

/// Names a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRef {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name; init containers count too.
    pub container: String,
}

/// Which part of a log is wanted (`PodLogOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Stay and send what is written from now on.
    pub follow: bool,
    /// The log of the container's run before this one.
    pub previous: bool,
    /// Begin with this many lines from the end; none means all.
    pub tail_lines: Option<u64>,
    /// Only lines younger than this.
    pub since_seconds: Option<u64>,
    /// Only lines from this moment (RFC 3339), as the client wrote it.
    pub since_time: Option<String>,
    /// Put an RFC 3339 time and a space before each line.
    pub timestamps: bool,
    /// End after this many bytes.
    pub limit_bytes: Option<u64>,
}

/// A log, in pieces of any size.
pub type LogStream = BoxStream<'static, io::Result<Bytes>>;

/// Which streams a client wants of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// It will write to the program.
    pub stdin: bool,
    /// It reads the program's output.
    pub stdout: bool,
    /// It reads the program's errors; never together with `tty`.
    pub stderr: bool,
    /// The program gets a terminal, through which stderr comes with stdout.
    pub tty: bool,
}

/// A running program. Streams that were not asked for are `None`.
pub struct ExecProcess {
    /// Shutting it down (or dropping it) is the program's end of input.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// The program's output; ends when the program closes it.
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The program's errors.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Takes the terminal's new sizes.
    pub resize: Option<mpsc::Sender<TerminalSize>>,
    /// The program's exit code; 128 + the signal's number when a signal ended it.
    pub exit: BoxFuture<'static, i32>,
}

impl std::fmt::Debug for ExecProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecProcess").finish_non_exhaustive()
    }
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// Why the runtime can't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// There is no such pod on this node.
    #[error("pod \"{namespace}/{pod}\" not found on this node")]
    UnknownPod {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
    },
    /// The pod has no such container.
    #[error("container \"{container}\" not found in pod \"{pod}\"")]
    UnknownContainer {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// The container has not started yet, or has ended.
    #[error("container \"{container}\" in pod \"{pod}\" is {state}")]
    NotRunning {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
        /// What it is instead: "waiting to start: PodInitializing", "terminated".
        state: String,
    },
    /// `previous` was asked of a container that has run only once.
    #[error("previous terminated container \"{container}\" in pod \"{pod}\" not found")]
    NoPrevious {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// An option can't be read.
    #[error("{field}: {value:?} is not {wanted}")]
    InvalidOption {
        /// The option's name in the request.
        field: &'static str,
        /// What was sent.
        value: String,
        /// What it should be, with an article: "a time in RFC 3339".
        wanted: &'static str,
    },
    /// The program could not be started.
    #[error("cannot run {program:?}: {source}")]
    Start {
        /// `argv[0]`.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}
