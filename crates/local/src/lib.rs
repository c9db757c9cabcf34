//! The embedded cluster: an API server, controllers and a node in one process.
//!
//! [`Cluster::start`] puts the parts together: a router (the network namespace in which pods meet), keys, the API server (the embedded
//! one, or the real one where [`ASSETS`] names its directory), controllers, the node with its kubelet API. All parts talk to the API
//! server through the Kubernetes API only.
//!
//! It is for development and tests. It knows nothing of what runs in it.

mod cluster;
mod control_plane;
mod controllers;

pub use cluster::{Cluster, ClusterConfig, Error, Progress};
pub use control_plane::ASSETS;
pub use isthmus_local_node::Images;
