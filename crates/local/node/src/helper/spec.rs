//! What the node tells the helper, as JSON in an argument. Nothing here is secret: the environment goes another way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A program, and whom it runs as.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ProgramSpec {
    /// The program and its arguments. A name without a slash is looked up in PATH.
    pub(crate) argv: Vec<String>,
    /// The working directory; `/` if none.
    pub(crate) cwd: Option<PathBuf>,
    /// User and group; None keeps what the node has.
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    /// Further groups.
    pub(crate) groups: Vec<u32>,
    /// Capabilities by name without `CAP_`: all that the program may ever have. None keeps all.
    pub(crate) capabilities: Option<Vec<String>>,
    /// Those of them that it keeps although it isn't root.
    pub(crate) ambient: Vec<String>,
}

/// A container.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ContainerSpec {
    pub(crate) program: ProgramSpec,
    /// An empty directory, over which the container's root is mounted.
    pub(crate) root: PathBuf,
    /// What is mounted where.
    pub(crate) mounts: Vec<MountSpec>,
    /// The hidden subcommand's arguments, without the program's own name.
    pub(crate) helper: Vec<String>,
}

/// A file or directory of the host at a place of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountSpec {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// A further process in a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExecSpec {
    pub(crate) program: ProgramSpec,
    /// The container's first process, as the node sees it.
    pub(crate) container_pid: i32,
    /// A terminal to run on, by path.
    pub(crate) terminal: Option<PathBuf>,
}
