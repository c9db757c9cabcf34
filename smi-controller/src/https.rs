//! HTTPS for the API server: of the webhooks, and of the metrics API.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::{Body, Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

/// Most connections at a time.
const MAX_CONNECTIONS: usize = 1024;
/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may take to send a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// What is served.
pub(crate) trait Serve: Send + Sync + 'static {
    /// What it answers with.
    type Body: Body<Data = Bytes, Error = Infallible> + Send + 'static;

    /// Whom a connection may be of, and until when.
    fn tls(&self) -> (Arc<ServerConfig>, CancellationToken);

    /// Answers a request of somebody who has shown this certificate, which the handshake has verified.
    fn answer(
        &self,
        certificate: Option<&CertificateDer<'static>>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Serves until `stop`. `what` is for the log.
pub(crate) async fn serve<S: Serve>(
    what: &'static str,
    listener: TcpListener,
    server: Arc<S>,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accept = async {
            let slot = slots.clone().acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let accepted = tokio::select! {
            accepted = accept => accepted,
            () = stop.cancelled() => return,
        };
        let Some((slot, accepted)) = accepted else { return };
        let (stream, addr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(what, %error, "couldn't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (server, stop) = (server.clone(), stop.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let (tls, over) = server.tls();
            match tokio::time::timeout(HANDSHAKE_LIMIT, TlsAcceptor::from(tls).accept(stream)).await {
                Ok(Ok(stream)) => connection(what, stream, addr, server, [stop, over]).await,
                Ok(Err(error)) => tracing::debug!(what, %addr, %error, "TLS handshake refused"),
                Err(_) => tracing::debug!(what, %addr, "TLS handshake took too long"),
            }
        });
    }
}

async fn connection<S: Serve>(
    what: &'static str,
    stream: TlsStream<TcpStream>,
    addr: SocketAddr,
    server: Arc<S>,
    [stop, over]: [CancellationToken; 2],
) {
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    let certificate = certificate.map(Arc::new);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    builder.http2().timer(TokioTimer::new());
    let service = service_fn(move |request| {
        let (server, certificate) = (server.clone(), certificate.clone());
        async move { Ok::<_, Infallible>(server.answer(certificate.as_deref(), request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ending = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = over.cancelled() => {}
        }
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ending => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(what, %addr, error, "connection ended");
    }
}
