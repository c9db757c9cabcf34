//! Why there is no cluster.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use isthmus_local_kubelet::ServerError;
use isthmus_local_node::NodeError;

use crate::control_plane::AssetError;

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name can't be one of a directory and of a node.
    #[error("name {name:?}: use up to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit")]
    InvalidName {
        /// As given.
        name: String,
    },
    /// The number leaves no addresses.
    #[error("index {index}: use 0 to {most}, for there are no addresses beyond")]
    InvalidIndex {
        /// As given.
        index: u8,
        /// The largest.
        most: u8,
    },
    /// A cluster of this name runs already.
    #[error("cluster {name:?} runs already (process {pid}): stop it first, or give this one another name")]
    AlreadyRunning {
        /// Its name.
        name: String,
        /// Its process, if it could be read.
        pid: String,
    },
    /// There is no place for the cluster's files.
    #[error("no state directory: set XDG_STATE_HOME or HOME, or name one")]
    NoStateDir,
    /// A file of the cluster's can't be written.
    #[error("{}: {source}", file.display())]
    StateFile {
        /// The file or directory.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The network namespace could not be made.
    #[error("network for pods: {0}. It needs root or a user namespace, and nf_tables and veth in the kernel")]
    Network(#[source] io::Error),
    /// The networks of two clusters could not be joined.
    #[error("joining networks: {0}")]
    Join(#[source] io::Error),
    /// The API server's port can't be had.
    #[error("API server on 127.0.0.1:{port}: {source}: choose another port, or 0 for any")]
    ApiPort {
        /// As given.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// The range of ClusterIPs is no network.
    #[error(transparent)]
    ServiceCidr(#[from] isthmus_local_apiserver::InvalidCidr),
    /// Keys and certificates.
    #[error("keys: {0}")]
    Pki(#[from] isthmus_local_apiserver::PkiError),
    /// The embedded API server.
    #[error("API server: {0}")]
    ApiServer(#[from] isthmus_local_apiserver::Error),
    /// The real etcd and kube-apiserver.
    #[error(transparent)]
    Assets(#[from] AssetError),
    /// The node.
    #[error("node: {0}")]
    Node(#[from] NodeError),
    /// The kubelet API.
    #[error("kubelet API: {0}")]
    Kubelet(#[from] ServerError),
    /// A part's own kubeconfig can't be read.
    #[error("kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// A client can't be made.
    #[error("client of the API server: {0}")]
    Client(#[from] kube::Error),
    /// A part was started and is not ready.
    #[error("{what} was not ready within {} s{}", within.as_secs(), because(source.as_deref()))]
    NotReady {
        /// The part.
        what: &'static str,
        /// The time that it had.
        within: Duration,
        /// The last answer, if it was an error.
        source: Option<Box<kube::Error>>,
    },
}

fn because(source: Option<&kube::Error>) -> String {
    source.map(|error| format!(": {error}")).unwrap_or_default()
}
