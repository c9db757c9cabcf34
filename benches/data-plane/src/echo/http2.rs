//! HTTP/2 with prior knowledge: `GET /api/items/<id>`, and unary gRPC, whose message is sent back.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{ID, PATH, body};

pub(crate) async fn serve(stream: TcpStream) -> anyhow::Result<()> {
    let mut server = http2::Builder::new(TokioExecutor::new());
    server.timer(TokioTimer::new()).max_concurrent_streams(1024);
    Ok(server.serve_connection(TokioIo::new(stream), service_fn(answer)).await?)
}

type Body = Either<Full<Bytes>, http_body_util::combinators::BoxBody<Bytes, Infallible>>;

async fn answer(request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
    if request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/grpc") {
        return grpc(request).await;
    }
    let id = request.uri().path().strip_prefix(PATH).filter(|id| id.len() == ID);
    let mut response = Response::new(Either::Left(Full::default()));
    match id {
        Some(id) => *response.body_mut() = Either::Left(Full::new(Bytes::copy_from_slice(&body(id.as_bytes())))),
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}

async fn grpc(request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
    let message = request.into_body().collect().await?.to_bytes();
    let trailers =
        HeaderMap::from_iter([(header::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(message).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(Either::Right(BodyExt::boxed(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}
