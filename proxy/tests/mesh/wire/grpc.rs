//! gRPC, with tonic at both ends.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use futures::{Stream, StreamExt, future::BoxFuture};
use http::uri::PathAndQuery;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::NamedService,
    transport::{Channel, Endpoint, Server},
};
use tower::service_fn;

use super::{PORT, Pair};
use crate::support::{
    mesh::{allow, service},
    soon,
};

/// Messages as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}

/// Says when a call is over for the application.
struct Open(mpsc::UnboundedSender<&'static str>);

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.send("over");
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// An application with a method of each kind, and one that never answers.
#[derive(Clone)]
struct App {
    events: mpsc::UnboundedSender<&'static str>,
}

impl App {
    async fn unary(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let timeout = request.metadata().get("grpc-timeout").cloned();
        match &request.get_ref()[..] {
            b"fail" => {
                let mut status =
                    Status::with_details(Code::FailedPrecondition, "not now: é", Bytes::from_static(b"\0\x01"));
                status.metadata_mut().insert("x-why", "because".parse().unwrap());
                Err(status)
            }
            _ => {
                let mut response = Response::new(request.into_inner());
                if let Some(timeout) = timeout {
                    response.metadata_mut().insert("x-timeout", timeout);
                }
                Ok(response)
            }
        }
    }

    /// As many messages as asked for; then, for an odd number, a failure.
    async fn download(self, request: Request<Bytes>) -> Result<Response<Messages>, Status> {
        let count: usize = String::from_utf8_lossy(request.get_ref()).parse().unwrap();
        let open = Open(self.events);
        let messages = (0..count).map(move |n| {
            let _open = &open;
            Ok(Bytes::from(vec![n as u8; n * 7 % 5000]))
        });
        let end = (count % 2 == 1).then(|| Err(Status::data_loss("odd")));
        Ok(Response::new(Box::pin(futures::stream::iter(messages.chain(end)))))
    }

    async fn upload(request: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
        let mut messages = request.into_inner();
        let (mut count, mut length) = (0, 0);
        while let Some(message) = messages.message().await? {
            count += 1;
            length += message.len();
        }
        Ok(Response::new(format!("{count} messages, {length} bytes").into()))
    }

    /// Each message back at once; `fail` ends it with a failure.
    async fn chat(self, request: Request<Streaming<Bytes>>) -> Result<Response<Messages>, Status> {
        let open = Open(self.events);
        let answers = request.into_inner().map(move |message| {
            let _open = &open;
            match message {
                Ok(message) if &message[..] == b"fail" => Err(Status::aborted("as you wish")),
                other => other,
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn never(self, _: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let _open = Open(self.events.clone());
        let _ = self.events.send("asked");
        std::future::pending().await
    }
}

impl NamedService for App {
    const NAME: &'static str = "wire.App";
}

impl tower::Service<http::Request<Body>> for App {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let app = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Plain);
            Ok(match request.uri().path() {
                "/wire.App/Unary" => grpc.unary(service_fn(App::unary), request).await,
                "/wire.App/Download" => {
                    grpc.server_streaming(service_fn(move |r| app.clone().download(r)), request).await
                }
                "/wire.App/Upload" => grpc.client_streaming(service_fn(App::upload), request).await,
                "/wire.App/Chat" => grpc.streaming(service_fn(move |r| app.clone().chat(r)), request).await,
                "/wire.App/Never" => grpc.unary(service_fn(move |r| app.clone().never(r)), request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

struct Calls {
    grpc: tonic::client::Grpc<Channel>,
    /// What the application says of its calls.
    events: mpsc::UnboundedReceiver<&'static str>,
    serving: tokio::task::JoinHandle<()>,
    pair: Pair,
}

fn path(method: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(method)
}

impl Calls {
    async fn start() -> Self {
        let pair = Pair::start(PORT).await;
        let (send, events) = mpsc::unbounded_channel();
        let listener = TcpListener::bind((pair.callee.app, PORT)).await.unwrap();
        let serving =
            Server::builder().add_service(App { events: send }).serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        let channel =
            Endpoint::from_shared(format!("http://{}", pair.caller.call(0))).unwrap().connect().await.unwrap();
        Self { grpc: tonic::client::Grpc::new(channel), events, serving, pair }
    }

    async fn unary(&mut self, method: &'static str, message: &'static str) -> Result<Response<Bytes>, Status> {
        self.call(method, Request::new(message.into())).await
    }

    async fn call(&mut self, method: &'static str, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        self.grpc.ready().await.unwrap();
        soon("an answer", self.grpc.unary(request, path(method), Plain)).await
    }

    async fn event(&mut self) -> &'static str {
        soon("an event", self.events.recv()).await.unwrap()
    }

    /// A chat, with its sending side.
    async fn chat(&mut self) -> (mpsc::UnboundedSender<Bytes>, Streaming<Bytes>) {
        let (send, messages) = mpsc::unbounded_channel();
        let request = Request::new(UnboundedReceiverStream::new(messages));
        self.grpc.ready().await.unwrap();
        let answer = soon("a head", self.grpc.streaming(request, path("/wire.App/Chat"), Plain)).await.unwrap();
        (send, answer.into_inner())
    }
}

#[tokio::test]
async fn every_kind_of_call() {
    let mut calls = Calls::start().await;
    assert_eq!(calls.unary("/wire.App/Unary", "hello").await.unwrap().into_inner(), "hello");

    for count in [0, 1, 200, 1001] {
        let request = Request::new(Bytes::from(count.to_string()));
        calls.grpc.ready().await.unwrap();
        let answer =
            soon("a head", calls.grpc.server_streaming(request, path("/wire.App/Download"), Plain)).await.unwrap();
        let mut messages = answer.into_inner();
        for n in 0..count {
            assert_eq!(soon("a message", messages.message()).await.unwrap().unwrap(), vec![n as u8; n * 7 % 5000]);
        }
        let end = soon("the end", messages.message()).await;
        if count % 2 == 0 {
            assert_eq!(end.unwrap(), None);
        } else {
            assert_eq!(end.unwrap_err().code(), Code::DataLoss);
        }
    }

    let messages = futures::stream::iter((0..500).map(|n| Bytes::from(vec![1; n])));
    calls.grpc.ready().await.unwrap();
    let answer = calls.grpc.client_streaming(Request::new(messages), path("/wire.App/Upload"), Plain);
    assert_eq!(soon("an answer", answer).await.unwrap().into_inner(), "500 messages, 124750 bytes");

    let (send, mut answers) = calls.chat().await;
    for n in 0..50 {
        let message = Bytes::from(format!("message {n}"));
        send.send(message.clone()).unwrap();
        assert_eq!(soon("an echo", answers.message()).await.unwrap().unwrap(), message);
    }
    drop(send);
    assert_eq!(soon("the end", answers.message()).await.unwrap(), None);
}

#[tokio::test]
async fn failures_come_with_all_that_was_said_of_them() {
    let mut calls = Calls::start().await;
    // Trailers only.
    let status = calls.unary("/wire.App/Unary", "fail").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message(), status.details()),
        (Code::FailedPrecondition, "not now: é", &b"\0\x01"[..])
    );
    assert_eq!(status.metadata().get("x-why").unwrap(), "because");
    assert_eq!(calls.unary("/wire.App/Nothing", "").await.unwrap_err().code(), Code::Unimplemented);
    // Amid a stream.
    let (send, mut answers) = calls.chat().await;
    send.send("one".into()).unwrap();
    assert_eq!(soon("an echo", answers.message()).await.unwrap().unwrap(), "one");
    send.send("fail".into()).unwrap();
    let status = soon("a failure", answers.message()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Aborted, "as you wish"));
}

#[tokio::test]
async fn a_call_that_the_client_drops_is_over_for_the_application() {
    let mut calls = Calls::start().await;
    // Before the answer's head.
    let mut grpc = calls.grpc.clone();
    grpc.ready().await.unwrap();
    let call =
        tokio::spawn(async move { grpc.unary(Request::new(Bytes::new()), path("/wire.App/Never"), Plain).await });
    assert_eq!(calls.event().await, "asked");
    call.abort();
    assert_eq!(calls.event().await, "over");
    // Amid an answer that is far from its end.
    grpc = calls.grpc.clone();
    grpc.ready().await.unwrap();
    let answer = grpc.server_streaming(Request::new("1000000".into()), path("/wire.App/Download"), Plain);
    let mut messages = soon("a head", answer).await.unwrap().into_inner();
    assert!(soon("a message", messages.message()).await.unwrap().is_some());
    drop(messages);
    assert_eq!(calls.event().await, "over");
    // The connection is none the worse.
    assert_eq!(calls.unary("/wire.App/Unary", "hello").await.unwrap().into_inner(), "hello");
}

#[tokio::test]
async fn deadlines_reach_the_application_and_hold() {
    let mut calls = Calls::start().await;
    let mut request = Request::new(Bytes::from_static(b"hello"));
    request.set_timeout(Duration::from_secs(60));
    let answer = calls.call("/wire.App/Unary", request).await.unwrap();
    assert_eq!(answer.metadata().get("x-timeout").unwrap(), "60000000u");
    let mut request = Request::new(Bytes::new());
    request.set_timeout(Duration::from_millis(300));
    let status = calls.call("/wire.App/Never", request).await.unwrap_err();
    assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status}");
    assert_eq!((calls.event().await, calls.event().await), ("asked", "over"));
}

#[tokio::test]
async fn what_the_proxies_refuse_is_a_status_too() {
    let mut calls = Calls::start().await;
    // The application goes away amid a call.
    let (_send, mut answers) = calls.chat().await;
    calls.serving.abort();
    let mut gone = calls.pair.callee.endpoint(PORT);
    gone.addr.set_port(1);
    let status = loop {
        // The application's tasks are detached: only its listener is gone, so the call itself goes on until it is dropped.
        let (host, port) = crate::protocols::VIP;
        calls.pair.script.set_destination(host, port, service(std::slice::from_ref(&gone), None));
        match calls.unary("/wire.App/Unary", "hello").await {
            Ok(_) => continue,
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "connect-failed"));
    let (host, port) = crate::protocols::VIP;
    calls.pair.script.set_destination(host, port, service(&[], None));
    let status = loop {
        let status = calls.unary("/wire.App/Unary", "hello").await.unwrap_err();
        if status.message() != "connect-failed" {
            break status;
        }
    };
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no-endpoints"));
    // A revoked grant cuts the call that it had allowed.
    calls.pair.script.set_policy("callee", allow(&[]));
    let status = soon("a cut", answers.message()).await.unwrap_err();
    assert_ne!(status.code(), Code::Ok);
    let endpoint = calls.pair.callee.endpoint(PORT);
    calls.pair.script.set_destination(host, port, service(&[endpoint], None));
    let status = loop {
        let status = calls.unary("/wire.App/Unary", "hello").await.unwrap_err();
        if status.code() != Code::Unavailable {
            break status;
        }
    };
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no-grant"));
    assert_eq!(status.metadata().get("x-isthmus-deny").unwrap(), "no-grant");
}
