//! Process plumbing, the same for every role: logging, the admin server, readiness, drain, signals, sockets, and what
//! several roles would else each write for themselves.
//!
//! It knows nothing of the mesh. A role registers what it waits for with [`readiness::Ready`], starts the
//! [`admin::Admin`] server on a thread of its own, and ends by [`drain::Drain`] when [`signals::shutdown_token`] fires.

pub mod admin;
pub mod backoff;
pub mod build;
pub mod dangerous;
pub mod drain;
pub mod error_text;
pub mod logging;
pub mod metrics;
pub mod readiness;
pub mod signals;
pub mod sockets;
