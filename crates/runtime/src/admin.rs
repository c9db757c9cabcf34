//! The admin server: `/live`, `/ready`, `/metrics`, `/log-level`, and what the role adds.
//!
//! It has a thread and a runtime of its own, so that it answers while the workers are busy.

mod serve;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::{logging, readiness::Ready};

/// Longest request body that the server reads, in bytes.
pub const MAX_BODY: usize = 4096;
/// Most connections served at a time; more wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 64;

/// Answers a request on a path of the role's own. It runs on the admin thread and must not block.
pub type Handler = Arc<dyn Fn(&Request<Bytes>) -> Response<Full<Bytes>> + Send + Sync>;

/// Writes metrics as Prometheus reads them. It runs on the admin thread and must not block.
pub type Exposition = Arc<dyn Fn(&mut String) + Send + Sync>;

/// What the server serves.
#[derive(Clone, Default)]
pub struct Admin {
    /// For `/ready`.
    pub ready: Ready,
    /// For `/metrics`: a registry of the role's own, never the process-wide default one.
    pub registry: Registry,
    /// For `/log-level`; without it there is no such path.
    pub logging: Option<logging::Handle>,
    /// Metrics that aren't in the registry, for `/metrics`.
    expositions: Vec<Exposition>,
    /// The role's own paths.
    routes: BTreeMap<String, Handler>,
}

/// The server couldn't start.
#[derive(Debug, thiserror::Error)]
#[error("admin server on {addr}: {source}; is the port taken?")]
pub struct AdminError {
    /// Where it should listen.
    pub addr: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// A running server; it stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Admin {
    /// With readiness and metrics of the role.
    pub fn new(ready: Ready, registry: Registry, logging: Option<logging::Handle>) -> Self {
        Self { ready, registry, logging, expositions: Vec::new(), routes: BTreeMap::new() }
    }

    /// Adds a path (all methods).
    #[must_use]
    pub fn route(
        mut self,
        path: impl Into<String>,
        handler: impl Fn(&Request<Bytes>) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        self.routes.insert(path.into(), Arc::new(handler));
        self
    }

    /// Adds metrics that aren't in the registry: whole families as text, of names that nothing else has.
    #[must_use]
    pub fn exposition(mut self, write: impl Fn(&mut String) + Send + Sync + 'static) -> Self {
        self.expositions.push(Arc::new(write));
        self
    }

    /// Binds, and serves from a thread of its own. The address is bound when this returns.
    pub fn start(self, addr: SocketAddr) -> Result<Running, AdminError> {
        let failed = |source| AdminError { addr, source };
        let listener = TcpListener::bind(addr).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name("admin".into())
            .spawn(move || {
                runtime.block_on(async move {
                    match tokio::net::TcpListener::from_std(listener) {
                        Ok(listener) => serve::accept(listener, Arc::new(self), stopped).await,
                        Err(error) => tracing::error!(%error, "admin server"),
                    }
                });
            })
            .map_err(failed)?;
        Ok(Running { addr: bound, stop, thread: Some(thread) })
    }
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own hook.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("ready", &self.ready).field("routes", &self.routes.keys()).finish_non_exhaustive()
    }
}

/// A plain-text answer.
pub fn text(status: http::StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", body)
}

/// A JSON answer.
pub fn json(status: http::StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, "application/json", body)
}

fn answer(status: http::StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
