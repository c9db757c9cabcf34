//! Serving HTTP to a client, the same on both sides of the proxy.

use std::{convert::Infallible, future::Future, io, pin::pin, rc::Rc, time::Duration};

use http::{Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    body::{Body, RequestBody},
    exchange::Exchange,
    fault::Fault,
    hop,
    limits::{CLIENT_STREAMS, CONNECT_TRIES, CONNECTION_WINDOW, COPY_BYTES, HEAD_BYTES, HEADER_FIELDS, STREAM_WINDOW},
    live::{Live, Order},
    metrics::Direction,
    pool,
    route::BackendState,
    spawn::{self, Local},
    transport::Stream,
    worker::Worker,
};

/// Serves a connection until its end, or until it is told to close.
pub(crate) async fn http<F>(
    stream: Stream,
    h2: bool,
    idle: Duration,
    live: &Live,
    handle: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Response<Body>> + 'static,
{
    let service = service_fn(|request| {
        let answer = handle(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let io = TokioIo::new(stream);
    let result = if h2 {
        let connection = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .max_concurrent_streams(CLIENT_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_BYTES as u32)
            .auto_date_header(false)
            .keep_alive_interval(idle)
            .serve_connection(io, service);
        let mut connection = pin!(connection);
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => break result,
                order = live.ordered() => match order {
                    Order::Cut => break Ok(()),
                    Order::Drain => connection.as_mut().graceful_shutdown(),
                    Order::Run => {}
                },
            }
        }
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_headers(HEADER_FIELDS)
            .max_buf_size(HEAD_BYTES)
            .auto_date_header(false)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = pin!(connection);
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => break result,
                order = live.ordered() => match order {
                    Order::Cut => break Ok(()),
                    Order::Drain => connection.as_mut().graceful_shutdown(),
                    Order::Run => {}
                },
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "HTTP connection of a client ended");
    }
}

/// Sends a request to an endpoint of the backend and passes the answer back. Other endpoints are tried as long as no byte
/// of the request was sent.
pub(crate) async fn forward(
    worker: &Rc<Worker>,
    backend: &Rc<BackendState>,
    mut request: Request<Incoming>,
    exchange: Rc<Exchange>,
    live: &Rc<Live>,
) -> Response<Body> {
    let grpc = hop::is_grpc(request.headers());
    let h2 = request.version() == http::Version::HTTP_2;
    let upgrade = if h2 { None } else { hop::upgrade_of(request.headers()) };
    let connect = request.method() == http::Method::CONNECT;
    let client = (upgrade.is_some() || (connect && !h2)).then(|| hyper::upgrade::on(&mut request));
    hop::strip(request.headers_mut(), upgrade);
    if hop::fit(&mut request).is_err() {
        return fault(worker, exchange, Fault::BadRequest, grpc);
    }
    if backend.endpoints.is_empty() {
        return fault(worker, exchange, Fault::NoEndpoints, grpc);
    }
    let mut request = request.map(|body| RequestBody::new(body, Rc::clone(&exchange)));
    let mut tried = Vec::new();
    let mut fresh = false;
    let mut last = Fault::NoEndpoints;
    for _ in 0..CONNECT_TRIES {
        let Some(endpoint) = backend.choose(worker, &tried) else { break };
        exchange.endpoint.set(Some(endpoint.endpoint.addr));
        let mut lease = match pool::lease(worker, endpoint, h2, fresh).await {
            Ok(lease) => lease,
            Err(fault) => {
                last = fault;
                tried.push(endpoint.endpoint.addr);
                continue;
            }
        };
        match lease.send(request).await {
            Ok(answer) => {
                let client = client.filter(|_| upgraded(&answer, connect));
                return pass_back(answer, exchange, lease, client, live);
            }
            Err(mut error) => {
                tracing::debug!(endpoint = %endpoint.endpoint.addr, error = %error.error(), "request failed");
                last = Fault::Closed;
                // Given back untouched, it can be sent again; a stale pooled connection says nothing of the endpoint.
                let Some(unsent) = error.take_message() else { break };
                fresh = true;
                if !lease.reused {
                    tried.push(endpoint.endpoint.addr);
                }
                request = unsent;
            }
        }
    }
    let last = if exchange.direction == Direction::Inbound { last.of_app() } else { last };
    fault(worker, exchange, last, grpc)
}

/// Has the endpoint agreed to leave HTTP?
fn upgraded(answer: &Response<Incoming>, connect: bool) -> bool {
    answer.status() == StatusCode::SWITCHING_PROTOCOLS || (connect && answer.status().is_success())
}

fn pass_back(
    mut answer: Response<Incoming>,
    exchange: Rc<Exchange>,
    lease: pool::Lease,
    client: Option<OnUpgrade>,
    live: &Rc<Live>,
) -> Response<Body> {
    exchange.status.set(answer.status().as_u16());
    let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = answer.headers().get(http::header::UPGRADE).filter(|_| switched).cloned();
    hop::strip(answer.headers_mut(), upgrade);
    if answer.version() != http::Version::HTTP_2 {
        *answer.version_mut() = http::Version::HTTP_11;
    }
    let Some(client) = client else { return answer.map(|body| Body::upstream(body, exchange, lease)) };
    let tunnel = tunnel(client, hyper::upgrade::on(&mut answer), Rc::clone(&exchange), lease, Rc::clone(live));
    spawn::local(tunnel);
    answer.map(|_| Body::own("", exchange))
}

/// Joins both sides once each has left HTTP.
async fn tunnel(client: OnUpgrade, server: OnUpgrade, exchange: Rc<Exchange>, lease: pool::Lease, live: Rc<Live>) {
    let (Ok(client), Ok(server)) = (client.await, server.await) else { return };
    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
    tokio::select! {
        () = live.cut() => {}
        _ = copy(&mut client, &mut server, &exchange) => {}
    }
    drop(lease);
}

/// Copies both ways until both sides have ended; each side's end is passed on alone (half-close). An error is one side's
/// reset, or an end without TLS's own goodbye: the other side mustn't take it for a regular end.
pub(crate) async fn copy<A, B>(client: &mut A, server: &mut B, exchange: &Exchange) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (received, sent) = tokio::io::copy_bidirectional_with_sizes(client, server, COPY_BYTES, COPY_BYTES).await?;
    exchange.received.set(exchange.received.get() + received);
    exchange.sent.set(exchange.sent.get() + sent);
    Ok(())
}

/// The answer to a request that couldn't be passed on.
pub(crate) fn fault(worker: &Worker, exchange: Rc<Exchange>, fault: Fault, grpc: bool) -> Response<Body> {
    worker.metrics.fault(fault);
    exchange.fault.set(Some(fault));
    exchange.status.set(fault.status().as_u16());
    let text = if grpc { "" } else { fault.remedy() };
    answer(hop::own_head(grpc, fault.status(), hop::ERROR, fault.as_str()), text, exchange)
}

/// Puts head and body of an own answer together. The head is made of constants, so that it can't be invalid.
pub(crate) fn answer(head: http::response::Builder, text: &'static str, exchange: Rc<Exchange>) -> Response<Body> {
    let (parts, ()) = head.body(()).unwrap_or_default().into_parts();
    Response::from_parts(parts, Body::own(text, exchange))
}
