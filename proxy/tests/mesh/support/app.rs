//! Small applications.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Answers each request with its name; `/headers` with the request's fields, `/echo` with its body and trailers at the
/// end, `/stream` with its body as it comes.
pub async fn http(addr: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(addr).await.unwrap();
    tokio::spawn(async move {
        loop {
            let stream = accept(&listener).await;
            let service = service_fn(move |request| answer(name, request));
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

/// The next connection. Descriptors may have run out: that is no reason to end.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}

type Echo = http_body_util::combinators::UnsyncBoxBody<Bytes, hyper::Error>;

fn full(text: impl Into<Bytes>) -> Echo {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

async fn answer(name: &'static str, mut request: Request<Incoming>) -> Result<Response<Echo>, Infallible> {
    Ok(match request.uri().path() {
        "/headers" => {
            let fields = request.headers().iter().map(|(n, v)| format!("{n}: {}\n", v.to_str().unwrap_or("?")));
            Response::new(full(fields.collect::<String>()))
        }
        "/echo" => {
            let http1 = request.version() == http::Version::HTTP_11;
            let body = request.into_body().collect().await.unwrap();
            let mut trailers = body.trailers().cloned().unwrap_or_default();
            trailers.insert("x-checksum", HeaderValue::from_static("42"));
            let body = full(body.to_bytes()).with_trailers(std::future::ready(Some(Ok(trailers))));
            let response = Response::builder().header("trailer", "x-checksum, x-sent");
            // With a known length hyper would send no trailers.
            let response = if http1 { response.header("transfer-encoding", "chunked") } else { response };
            response.body(body.boxed_unsync()).unwrap()
        }
        "/upgrade" => {
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgraded.await.unwrap());
                let mut word = [0; 5];
                while io.read_exact(&mut word).await.is_ok() {
                    word.make_ascii_uppercase();
                    io.write_all(&word).await.unwrap();
                }
            });
            Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "shout")
                .body(full(""))
                .unwrap()
        }
        "/stream" => Response::new(request.into_body().boxed_unsync()),
        _ => Response::new(full(name)),
    })
}

/// Runs a TCP application.
pub async fn tcp<F: Future<Output = ()> + Send>(
    addr: SocketAddr,
    serve: impl Fn(TcpStream) -> F + Clone + Send + Sync + 'static,
) {
    let listener = TcpListener::bind(addr).await.unwrap();
    tokio::spawn(async move {
        loop {
            let stream = accept(&listener).await;
            let serve = serve.clone();
            tokio::spawn(async move { serve(stream).await });
        }
    });
}

/// Says its name first, then repeats what it hears until the other side's end.
pub async fn greeter(addr: SocketAddr, name: &'static str) {
    tcp(addr, move |mut stream| async move {
        let _ = stream.write_all(name.as_bytes()).await;
        repeat(stream).await;
    })
    .await;
}

/// Repeats what it hears until the other side's end.
pub async fn echo(addr: SocketAddr) {
    tcp(addr, repeat).await;
}

async fn repeat(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}

/// Hears everything first, then says how much it was.
pub async fn measure(addr: SocketAddr) {
    tcp(addr, |mut stream| async move {
        let mut all = Vec::new();
        if stream.read_to_end(&mut all).await.is_ok() {
            let _ = stream.write_all(format!("{} bytes", all.len()).as_bytes()).await;
        }
    })
    .await;
}
