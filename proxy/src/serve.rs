//! Serving HTTP to a client, the same on both sides of the proxy.

use std::{convert::Infallible, future::Future, pin::pin, rc::Rc, time::Duration};

use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::{
    body::Body,
    exchange::Exchange,
    expect::Expectation,
    fault::Fault,
    flood::Guarded,
    hop,
    interim::{Interim, InterimIo},
    limits::{
        CLIENT_STREAMS, CONNECTION_WINDOW, ERROR_RESETS, FRAME_BYTES, HEAD_BYTES, HEADER_TABLE, PENDING_RESETS,
        PING_ANSWER, STREAM_SEND_BUFFER, STREAM_WINDOW,
    },
    live::{Live, Order},
    spawn::Local,
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
    let result = if h2 {
        let service = service_fn(|request| {
            // Boxed: hyper moves it about, and it is large.
            let answer = Box::pin(handle(request));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .max_concurrent_streams(CLIENT_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_BYTES as u32)
            .max_frame_size(FRAME_BYTES)
            .header_table_size(HEADER_TABLE)
            .max_send_buf_size(STREAM_SEND_BUFFER)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(ERROR_RESETS)
            .auto_date_header(false)
            .keep_alive_interval(idle)
            .keep_alive_timeout(PING_ANSWER)
            // WebSocket and the like (RFC 8441).
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(Guarded::server(stream)), service);
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
        let interim = Interim::default();
        let io = InterimIo::new(TokioIo::new(stream), interim.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let interim = interim.clone();
            let expectation = Expectation::of(&mut request);
            // HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
            if request.version() == Version::HTTP_11 {
                interim.listen(&mut request, expectation.clone());
            }
            // Boxed: hyper keeps its room for as long as the connection lives.
            let answer = Box::pin(handle(request));
            async move {
                let mut answer = interim.while_awaiting(answer).await;
                if expectation.is_some_and(|e| e.answered(answer.status())) {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(HEAD_BYTES)
            .max_header_size(HEAD_BYTES)
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
    exchange.hear(&parts.headers);
    Response::from_parts(parts, Body::own(text, exchange))
}
