//! Takes spans by OTLP over gRPC and forgets them.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    echo,
    namespace::{Namespace, Thread},
};

/// Where it listens: the port of OTLP over gRPC.
pub(crate) const COLLECTOR_PORT: u16 = 4317;
/// A gRPC message of no bytes: nothing was rejected.
const EMPTY: [u8; 5] = [0; 5];

/// The collector in a namespace. It ends when this value is dropped.
pub(super) struct Collector {
    bytes: Arc<AtomicU64>,
    _stop: oneshot::Sender<()>,
    _thread: Thread<()>,
}

impl Collector {
    pub(super) fn start(namespace: &Namespace) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let bytes = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&bytes);
        let thread = namespace.spawn("collector", move || async move {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, COLLECTOR_PORT)).await?;
            echo::spawn(listener, move |stream| {
                let counter = Arc::clone(&counter);
                async move {
                    let answer = service_fn(move |request| take(request, Arc::clone(&counter)));
                    let mut server = http2::Builder::new(TokioExecutor::new());
                    Ok(server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await?)
                }
            });
            let _ = stopped.await;
            Ok(())
        })?;
        Ok(Self { bytes, _stop: stop, _thread: thread })
    }

    /// Of all messages since the last time.
    pub(super) fn take_bytes(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }
}

async fn take(
    request: Request<Incoming>,
    counter: Arc<AtomicU64>,
) -> anyhow::Result<Response<BoxBody<Bytes, Infallible>>> {
    let message = request.into_body().collect().await?.to_bytes();
    counter.fetch_add(message.len() as u64, Ordering::Relaxed);
    let trailers =
        HeaderMap::from_iter([(header::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from_static(&EMPTY)).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(BodyExt::boxed(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}
