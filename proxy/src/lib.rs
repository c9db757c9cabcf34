//! The sidecar: interception, routing, mTLS, authorization.
//!
//! A few worker threads carry all traffic, each with its own listeners, runtime and pools; a change of configuration
//! reaches each as a command, and is acknowledged to the controller once all have taken it over. The control client runs
//! on the caller's runtime, the admin server on a thread of its own.
//!
//! - [`Config`] and [`run`]: a whole sidecar.
//! - [`redirect`]: the nf_tables rules that bring a pod's traffic to it.
//! - [`limits`]: every bound that holds.
//! - [`trace`]: where spans go.
//! - [`control`], [`client_hello`], [`places`], [`descriptors`]: what the gateway stands on too.

pub mod access_log;
mod backend;
mod body;
mod config;
pub mod control;
pub mod descriptors;
mod detect;
mod edges;
mod endpoint;
mod error;
mod exchange;
mod expect;
mod fault;
mod flood;
mod forward;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hop;
mod inbound;
mod interim;
mod last_words;
pub mod limits;
mod live;
mod metrics;
mod opened;
mod original;
mod outbound;
mod path;
mod patience;
pub mod places;
mod pool;
mod reach;
mod receive;
pub mod redirect;
mod resend;
mod route;
mod serve;
mod server_name;
mod spawn;
mod start;
mod tap;
mod tcp;
pub mod trace;
mod transport;
mod tunnel;
mod turns;
mod watch;
mod worker;

pub use config::{ADMIN_PORT, Config, INBOUND_PORT, OUTBOUND_PORT, PROXY_UID, SOCKET_MARK};
pub use detect::client_hello;
pub use error::Error;
pub use original::{FromKernel, OriginalDestination};
pub use start::run;
