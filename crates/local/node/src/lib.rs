//! A node that runs pods as processes in network namespaces of their own.
//!
//! Three layers. [`Router`] is the network namespace in which all pods meet; its sockets and links are made by a thread that lives there.
//! A pod's `Sandbox` is three namespaces (network, host name, IPC) joined to the router; every container in it gets a PID and a mount
//! namespace besides, made by this program's hidden subcommand ([`helper_main`]). [`Node`] does what a kubelet does with them: it takes
//! pods from the API server, runs them, tells their status, and answers for their logs.
//!
//! All processes have this process as their parent and die with it: the kernel kills a container's first process when the thread that
//! started it ends, and everything in a PID namespace with its first process.

mod backoff;
mod cidr;
mod config;
mod dns;
mod env;
mod events;
mod helper;
mod image;
mod ipam;
mod leftovers;
mod logs;
mod net;
mod node;
mod objects;
mod pod;
mod probe;
mod router;
mod runtime;
mod sandbox;
mod services;
mod status;
mod thread;
mod userns;
mod volume;

pub use cidr::{BadCidr, Cidr};
pub use config::{Config, Images, RestartDelays};
#[cfg(fuzzing)]
pub use dns::fuzzing;
pub use helper::helper_main;
pub use leftovers::remove_leftovers;
pub use node::{Node, NodeError};
pub use router::{BadFault, LinkFault, Router, RouterConfig};
pub use runtime::NodeRuntime;
pub use userns::{NamespaceError, enter_user_namespace_if_needed, user_exists};
