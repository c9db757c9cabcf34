//! HTTP/1 and HTTP/2 connections of the sample programs.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use isthmus_runtime::drain::Drain;
use serde_json::json;
use tokio::net::TcpListener;

use super::{App, json_answer};

/// Longest request body in bytes.
const MAX_BODY: usize = 1 << 20;

pub(super) async fn serve(listener: TcpListener, drain: &Drain, app: Arc<App>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: the next accept would fail at once too.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (app, graceful) = (Arc::clone(&app), drain.graceful().clone());
        drain.spawn(async move {
            let service = service_fn(move |request| {
                let app = Arc::clone(&app);
                async move { Ok::<_, Infallible>(answer(&app, request).await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let done = tokio::select! {
                done = connection.as_mut() => done,
                () = graceful.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = done {
                tracing::debug!(%error, "connection");
            }
        });
    }
}

async fn answer(app: &App, request: Request<Incoming>) -> http::Response<http_body_util::Full<bytes::Bytes>> {
    let (head, body) = request.into_parts();
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => app.answer(Request::from_parts(head, body.to_bytes())).await,
        Err(error) => json_answer(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "error": error.to_string() })),
    }
}
