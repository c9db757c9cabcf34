//! Connections and routes of the admin server.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::TextEncoder;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::{Admin, MAX_BODY, MAX_CONNECTIONS, answer, text};

/// A client that hasn't sent its request's head, or its body, in this time is cut off.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn accept(listener: TcpListener, admin: Arc<Admin>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: the next accept would fail at once too.
                tracing::warn!(%error, "admin server: accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            let service = service_fn(|request| handle(&admin, peer, request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "admin connection");
            }
            drop(slot);
        });
    }
}

async fn handle(
    admin: &Admin,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(PATIENCE, Limited::new(body, MAX_BODY).collect()).await;
    let Ok(Ok(body)) = body else {
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, format!("a body of at most {MAX_BODY} bytes is read\n")));
    };
    Ok(route(admin, peer, &Request::from_parts(head, body.to_bytes())))
}

pub(super) fn route(admin: &Admin, peer: SocketAddr, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/live" => text(StatusCode::OK, "live\n"),
        "/ready" => ready(admin),
        "/metrics" => metrics(admin),
        "/log-level" => log_level(admin, peer, request),
        path => match admin.routes.get(path) {
            Some(handler) => handler(request),
            None => text(StatusCode::NOT_FOUND, listing(admin)),
        },
    }
}

fn ready(admin: &Admin) -> Response<Full<Bytes>> {
    let awaited = admin.ready.awaited();
    if awaited.is_empty() {
        text(StatusCode::OK, "ready\n")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, format!("waiting for: {}\n", awaited.join(", ")))
    }
}

fn metrics(admin: &Admin) -> Response<Full<Bytes>> {
    let mut body = String::new();
    match TextEncoder::new().encode_utf8(&admin.registry.gather(), &mut body) {
        Ok(()) => {
            admin.expositions.iter().for_each(|write| write(&mut body));
            answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body)
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// GET tells the filter; PUT replaces it, from the process's own host or pod only: it makes work for the process.
fn log_level(admin: &Admin, peer: SocketAddr, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let Some(logging) = &admin.logging else { return text(StatusCode::NOT_FOUND, listing(admin)) };
    let done = match *request.method() {
        Method::GET => logging.filter(),
        Method::PUT if !peer.ip().to_canonical().is_loopback() => {
            return text(StatusCode::FORBIDDEN, "the log level is set from loopback only: use kubectl port-forward\n");
        }
        Method::PUT => match std::str::from_utf8(request.body()) {
            Ok(filter) => logging.set(filter.trim()).and_then(|()| logging.filter()),
            Err(_) => return text(StatusCode::BAD_REQUEST, "the filter is not UTF-8\n"),
        },
        _ => return text(StatusCode::METHOD_NOT_ALLOWED, "GET or PUT\n"),
    };
    match done {
        Ok(filter) => text(StatusCode::OK, filter + "\n"),
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

fn listing(admin: &Admin) -> String {
    let own = admin.routes.keys().map(String::as_str);
    let log_level = admin.logging.as_ref().map(|_| "/log-level");
    let paths: Vec<_> = ["/live", "/ready", "/metrics"].into_iter().chain(log_level).chain(own).collect();
    format!("not found; there are: {}\n", paths.join(" "))
}
