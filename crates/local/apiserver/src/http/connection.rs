//! Listening: TLS, HTTP/1.1 and HTTP/2, bounded in time and number, ended in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::authenticate::certificate_user;
use crate::core::Core;
use crate::dispatch;

/// Answers on `listener` until `shutdown`, then lets open requests end within [`crate::Limits::drain_time`].
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, tls: TlsAcceptor, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(core.limits.connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async { (places.clone().acquire_owned().await, listener.accept().await) } => accepted,
        };
        let (place, stream) = match accepted {
            (Ok(place), Ok((stream, _))) => (place, stream),
            (_, Err(error)) => {
                // Mostly too many open files: it passes when connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
            (Err(_), _) => break,
        };
        let (core, tls, shutdown) = (core.clone(), tls.clone(), shutdown.clone());
        connections.spawn(async move {
            core.metrics.connections.fetch_add(1, Ordering::Relaxed);
            connection(&core, stream, tls, shutdown).await;
            core.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(core.limits.drain_time, connections.wait()).await.is_err() {
        tracing::debug!("connections were cut at shutdown");
    }
}

async fn connection(core: &Arc<Core>, stream: TcpStream, tls: TlsAcceptor, shutdown: CancellationToken) {
    // Without this small answers wait for acknowledgements; where it fails they are only slower.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(core.limits.read_time, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let user = certificates.first().and_then(certificate_user).map(Arc::new);
    let service = service_fn(|request| {
        let (core, user, shutdown) = (core.clone(), user.clone(), shutdown.clone());
        async move { Ok::<_, Infallible>(dispatch::answer(core, user, request, shutdown).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    let limits = &core.limits;
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read_time)
        .max_buf_size(limits.header_bytes.max(8192))
        .max_headers(limits.headers);
    let list = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(list).max_concurrent_streams(250);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let Ok(ended) = tokio::time::timeout(limits.drain_time, serving).await else { return };
            ended
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke off");
    }
}
