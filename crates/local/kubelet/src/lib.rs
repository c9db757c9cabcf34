//! The kubelet's API: logs, exec and port-forward over HTTPS, WebSocket and SPDY.
//!
//! A [`Runtime`] runs the containers; [`Server`] answers for it. API servers pass the bytes of upgraded connections through untouched,
//! so it is `kubectl` that this server talks with: WebSocket where it is new (`v5.channel.k8s.io`, port-forward as SPDY within
//! WebSocket), SPDY/3.1 where it is old, and where a real kube-apiserver stands between.

mod exec;
#[cfg(fuzzing)]
pub mod fuzzing;
mod portforward;
mod query;
mod runtime;
mod server;
mod spdy;
#[cfg(test)]
mod testing;

pub use runtime::{ContainerRef, ExecOptions, ExecProcess, LogOptions, LogStream, Runtime, RuntimeError, TerminalSize};
pub use server::{Server, ServerConfig, ServerError};

/// How long a client may take to hang up after it was told everything.
const LINGER: std::time::Duration = std::time::Duration::from_secs(5);
