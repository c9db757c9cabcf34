//! The HTTPS server: who may ask, and where the paths lead.

mod answer;
mod tls;
mod upgrade;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use answer::{Answer, text};

use crate::runtime::Runtime;

/// Connections at one time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1000;
/// Time for a TLS handshake, and for the head of a request.
const READ_TIME: Duration = Duration::from_secs(20);
/// A request's line and headers: commands travel in the line.
const MAX_HEAD: usize = 256 * 1024;

/// Why a [`Server`] can't be made. No variant holds key material.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A PEM text holds nothing usable.
    #[error("{field}: no usable PEM text")]
    InvalidPem {
        /// The field of [`ServerConfig`].
        field: &'static str,
    },
    /// TLS can't be set up with what is there.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// What the server shows, and whom it answers.
#[derive(Clone)]
pub struct ServerConfig {
    /// PEM certificates, leaf first.
    pub certificate: String,
    /// PEM private key.
    pub key: String,
    /// PEM roots under which clients' certificates must be.
    pub client_ca: String,
    /// The common name that a client's certificate must have: the API server's.
    pub client_name: String,
}

impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig").field("client_name", &self.client_name).finish_non_exhaustive()
    }
}

/// Answers for a [`Runtime`] over HTTPS.
#[derive(Clone)]
pub struct Server {
    tls: TlsAcceptor,
    client_name: Arc<str>,
    runtime: Arc<dyn Runtime>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("client_name", &self.client_name).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads keys and certificates.
    ///
    /// # Errors
    /// [`ServerError`] names the field that is wrong.
    pub fn new(config: &ServerConfig, runtime: Arc<dyn Runtime>) -> Result<Self, ServerError> {
        let tls = TlsAcceptor::from(Arc::new(tls::server_config(config)?));
        Ok(Server { tls, client_name: config.client_name.as_str().into(), runtime })
    }

    /// Answers on `listener` until `shutdown`, which cuts what is still open: logs, programs and forwarded ports go on for as long as
    /// their clients like.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = TaskTracker::new();
        while let Some(accepted) = shutdown
            .run_until_cancelled(async { (places.clone().acquire_owned().await, listener.accept().await) })
            .await
        {
            let (Ok(place), Ok((stream, _))) = accepted else {
                // Mostly too many open files: it passes when connections end.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (server, shutdown) = (self.clone(), shutdown.clone());
            connections.spawn(async move {
                shutdown.run_until_cancelled(server.connection(stream)).await;
                drop(place);
            });
        }
        connections.close();
        connections.wait().await;
    }

    async fn connection(self, stream: TcpStream) {
        // Without this small answers wait for acknowledgements; where it fails they are only slower.
        let _ = stream.set_nodelay(true);
        let stream = match tokio::time::timeout(READ_TIME, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => return tracing::debug!("TLS handshake took too long"),
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let allowed = certificate.is_some_and(|certificate| tls::has_name(certificate, &self.client_name));
        // What goes on after an upgrade ends with its connection.
        let upgrades = tokio::sync::Mutex::new(None);
        let service = service_fn(|request| {
            let server = self.clone();
            let upgrades = &upgrades;
            async move {
                let (response, upgrade) = server.answer(request, allowed).await;
                if upgrade.is_some() {
                    *upgrades.lock().await = upgrade;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_TIME)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            return tracing::debug!(%error, "a connection broke off");
        }
        if let Some(upgrade) = upgrades.into_inner() {
            upgrade.await;
        }
    }

    async fn answer(&self, request: Request<Incoming>, allowed: bool) -> (Response<Answer>, Option<upgrade::Upgraded>) {
        if !allowed {
            return (text(StatusCode::FORBIDDEN, "Forbidden: only the API server may ask"), None);
        }
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        // A pod's UID may stand after its name.
        match *segments.as_slice() {
            ["healthz"] => (text(StatusCode::OK, "ok"), None),
            ["containerLogs", namespace, pod, container] => {
                (answer::logs(self.runtime.as_ref(), namespace, pod, container, request.uri().query()).await, None)
            }
            ["exec", namespace, pod, container] | ["exec", namespace, pod, _, container] => {
                upgrade::exec(&self.runtime, namespace, pod, container, request)
            }
            ["portForward", namespace, pod] | ["portForward", namespace, pod, _] => {
                upgrade::port_forward(&self.runtime, namespace, pod, request)
            }
            _ => (text(StatusCode::NOT_FOUND, "404 page not found"), None),
        }
    }
}

#[cfg(test)]
mod tests;
