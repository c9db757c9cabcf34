//! What a node is told at its start.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The programs behind the images that aren't `local/<program>`.
pub trait Images: Send + Sync {
    /// The command line that an image stands for, such as this program and a role's name. None: no such image. Tags have been cut off.
    fn command(&self, image: &str) -> Option<Vec<OsString>>;
}

/// A node's configuration.
#[derive(Clone)]
pub struct Config {
    /// The node's name.
    pub name: String,
    /// The API server.
    pub client: kube::Client,
    /// Under which services have names: `cluster.local`.
    pub cluster_domain: String,
    /// A directory of this node alone: volumes, logs. It is removed at shutdown.
    pub state_dir: PathBuf,
    /// What images name.
    pub images: Arc<dyn Images>,
    /// The command line of the hidden subcommand ([`helper_main`](crate::helper_main)): this program, and what selects it.
    pub helper: Vec<OsString>,
    /// The port of the kubelet API on the router's address, for the Node object.
    pub kubelet_port: u16,
    /// How restarts are delayed.
    pub restart_delays: RestartDelays,
    /// How often the node's Lease is renewed; its duration is four times that.
    pub heartbeat: Duration,
    /// The most that one log file may hold before it is rotated, in bytes; a container keeps two.
    pub log_limit: u64,
}

/// Delays between restarts of a failing container: doubled each time, forgotten after a long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartDelays {
    /// The first delay.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
    /// A container that ran for so long begins anew.
    pub forget_after: Duration,
}

impl Default for RestartDelays {
    /// A kubelet's: 10 s doubling to 5 min, forgotten after 10 min.
    fn default() -> Self {
        RestartDelays {
            first: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            forget_after: Duration::from_secs(600),
        }
    }
}

impl Config {
    /// A configuration with a kubelet's usual timings.
    pub fn new(
        name: impl Into<String>,
        client: kube::Client,
        state_dir: PathBuf,
        images: Arc<dyn Images>,
        helper: Vec<OsString>,
    ) -> Self {
        Config {
            name: name.into(),
            client,
            cluster_domain: "cluster.local".into(),
            state_dir,
            images,
            helper,
            kubelet_port: 10250,
            restart_delays: RestartDelays::default(),
            heartbeat: Duration::from_secs(10),
            log_limit: 10 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("name", &self.name).field("state_dir", &self.state_dir).finish_non_exhaustive()
    }
}
