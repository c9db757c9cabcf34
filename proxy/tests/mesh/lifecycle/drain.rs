//! What is under way when the sidecar is asked to end: at the callee, and at the caller, whose application still calls out.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use isthmus_core::destination::{Destination, ProtocolHint};
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async, tungstenite::Message};

use crate::support::{
    app,
    client::{self, Http1, Talk, field},
    control::Script,
    eventually,
    mesh::{Pod, Spec, allow, id, service},
    soon,
};

const HTTP: (&str, u16) = ("10.43.8.1", 80);
const TCP: (&str, u16) = ("10.43.8.2", 80);
const SOCKET: (&str, u16) = ("10.43.8.3", 80);
/// Far longer than a test waits.
const LONG: Duration = Duration::from_secs(300);

/// Who is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Caller,
    Callee,
}

struct Pair {
    caller: Pod,
    callee: Pod,
    _script: Script,
}

impl Pair {
    async fn start(edit: fn(&mut isthmus_proxy::Config)) -> Self {
        let script = Script::start().await;
        script.set_policy("callee", allow(&[&id("caller")]));
        script.set_policy("caller", allow(&[]));
        let calls = [HTTP, TCP, SOCKET];
        let caller = Pod::launch(&script, Spec { name: "caller", ports: &[], calls: &calls, edit });
        let callee = Pod::launch(&script, Spec { name: "callee", ports: &[8080, 8081, 8082], calls: &[], edit });
        tokio::join!(caller.ready(), callee.ready());
        app::http((callee.app, 8080).into(), "app").await;
        app::echo((callee.app, 8081).into()).await;
        app::tcp((callee.app, 8082).into(), |stream| async move {
            let mut socket = accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                let _ = socket.send(message).await;
            }
        })
        .await;
        for ((host, port), target) in [(HTTP, 8080), (SOCKET, 8082)] {
            script.set_destination(host, port, service(&[callee.endpoint(target)], None));
        }
        let Destination::Service(mut opaque) = service(&[callee.endpoint(8081)], None) else { unreachable!() };
        opaque.protocol = ProtocolHint::Opaque;
        script.set_destination(TCP.0, TCP.1, Destination::Service(opaque));
        Self { caller, callee, _script: script }
    }

    /// The sidecar that was asked to end, once it has heard.
    async fn end(&self, ending: Ending) -> &Pod {
        let pod = match ending {
            Ending::Caller => &self.caller,
            Ending::Callee => &self.callee,
        };
        pod.shutdown.cancel();
        eventually("not ready", async || client::get(pod.admin, "/ready").await.is_ok_and(|r| r.status() == 503)).await;
        pod
    }
}

/// A request whose body is still being sent, and whose answer, the same body, is still coming.
struct Open {
    send: mpsc::UnboundedSender<Frame<Bytes>>,
    answer: Response<Incoming>,
    connection: JoinHandle<()>,
}

impl Open {
    async fn start(addr: SocketAddr, version: Version) -> Self {
        let (send, frames) = mpsc::unbounded_channel();
        let frames = UnboundedReceiverStream::new(frames).map(Ok::<_, Infallible>);
        let io = hyper_util::rt::TokioIo::new(TcpStream::connect(addr).await.unwrap());
        let request = Request::post("http://web/stream").header("host", "web").version(version);
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        let request = request.body(StreamBody::new(frames)).unwrap();
        send.send(Frame::data(Bytes::from_static(b"first"))).unwrap();
        let (answer, connection) = if version == Version::HTTP_2 {
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            let connection = tokio::spawn(async move { drop(connection.await) });
            (soon("an answer", sender.send_request(request)).await, connection)
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let connection = tokio::spawn(async move { drop(connection.await) });
            (soon("an answer", sender.send_request(request)).await, connection)
        };
        let mut open = Self { send, answer: answer.unwrap(), connection };
        assert_eq!(open.answer.status(), StatusCode::OK);
        assert_eq!(open.heard().await.unwrap().into_data().unwrap(), "first");
        open
    }

    async fn heard(&mut self) -> Option<Frame<Bytes>> {
        soon("a frame", self.answer.body_mut().frame()).await.and_then(Result::ok)
    }

    /// Goes on, and ends in order: with trailers, as gRPC does, where there can be some.
    async fn finish(mut self) {
        let trailers = self.answer.version() == Version::HTTP_2;
        self.send.send(Frame::data(Bytes::from_static(b"second"))).unwrap();
        assert_eq!(self.heard().await.unwrap().into_data().unwrap(), "second");
        if trailers {
            let status = http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
            self.send.send(Frame::trailers(status)).unwrap();
        }
        drop(self.send);
        let end = soon("the end", self.answer.body_mut().frame()).await;
        match trailers {
            true => assert_eq!(end.unwrap().unwrap().into_trailers().unwrap()["grpc-status"], "0"),
            false => assert!(end.is_none(), "{end:?}"),
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn socket(addr: SocketAddr) -> Socket {
    let stream = TcpStream::connect(addr).await.unwrap();
    soon("a handshake", client_async("ws://web/chat", stream)).await.unwrap().0
}

async fn chat(socket: &mut Socket, word: &str) -> Message {
    socket.send(Message::text(word)).await.unwrap();
    soon("an echo", socket.next()).await.unwrap().unwrap()
}

/// Asks on a kept connection; does the answer tell that it will close?
async fn ask(kept: &mut Http1) -> bool {
    kept.ready().await.unwrap();
    let answer = soon("an answer", kept.send_request(client::request("/"))).await.unwrap();
    assert_eq!(answer.status(), 200);
    let closes = field(&answer, "connection") == "close";
    assert_eq!(client::text(answer).await, "app");
    closes
}

async fn nothing_is_cut(ending: Ending) {
    let pair = Pair::start(|config| config.drain = LONG).await;
    let (http, tcp, ws) = (pair.caller.call(0), pair.caller.call(1), pair.caller.call(2));
    let http1 = Open::start(http, Version::HTTP_11).await;
    let http2 = Open::start(http, Version::HTTP_2).await;
    let (mut talk, mut chatting) = (Talk::open(tcp).await, socket(ws).await);
    assert_eq!(talk.ask("before").await, "before");
    assert_eq!(chat(&mut chatting, "before").await, Message::text("before"));
    let mut kept = client::http1(http).await.unwrap();
    assert!(!ask(&mut kept).await);

    let pod = pair.end(ending).await;
    // Of the sidecars, the client hears its own alone; the other one's end is between the two.
    assert_eq!(ask(&mut kept).await, ending == Ending::Caller);
    // What is new is served too, of each kind: the application may still call, and be called.
    assert_eq!(client::text(client::get(http, "/").await.unwrap()).await, "app");
    Open::start(http, Version::HTTP_2).await.finish().await;
    let mut late = Talk::open(tcp).await;
    assert_eq!(late.ask("late").await, "late");
    assert_eq!(late.finish().await, "");
    let mut late = socket(ws).await;
    assert_eq!(chat(&mut late, "late").await, Message::text("late"));
    drop(late);
    // HTTP/2 clients are told once callers have had their time to leave by themselves.
    if ending == Ending::Caller {
        let told = client::http2::<Full<Bytes>>(http).await.unwrap();
        eventually("told to leave", async || told.is_closed()).await;
    }
    http1.finish().await;
    http2.finish().await;
    assert_eq!(talk.ask("after").await, "after");
    assert_eq!(chat(&mut chatting, "after").await, Message::text("after"));
    assert!(!pod.running.is_finished());
    assert_eq!(talk.finish().await, "");
    chatting.close(None).await.unwrap();
    drop((chatting, kept));
    eventually("the end, when all have ended", async || pod.running.is_finished()).await;
}

#[tokio::test]
async fn a_callee_that_ends_cuts_nothing_of_any_protocol() {
    nothing_is_cut(Ending::Callee).await;
}

#[tokio::test]
async fn a_caller_that_ends_cuts_nothing_of_any_protocol() {
    nothing_is_cut(Ending::Caller).await;
}

async fn all_is_cut(ending: Ending) {
    let pair = Pair::start(|config| config.drain = Duration::from_millis(500)).await;
    let http = pair.caller.call(0);
    let mut http1 = Open::start(http, Version::HTTP_11).await;
    let mut http2 = Open::start(http, Version::HTTP_2).await;
    let (mut talk, mut chatting) = (Talk::open(pair.caller.call(1)).await, socket(pair.caller.call(2)).await);
    assert_eq!(talk.ask("before").await, "before");
    assert_eq!(chat(&mut chatting, "before").await, Message::text("before"));
    let pod = match ending {
        Ending::Caller => &pair.caller,
        Ending::Callee => &pair.callee,
    };
    pod.shutdown.cancel();
    eventually("the end, whatever is open", async || pod.running.is_finished()).await;
    // None of them looks as if it had ended in order.
    assert!(soon("the cut", talk.cut_by_reset()).await);
    for open in [&mut http1, &mut http2] {
        let end = soon("the cut", open.answer.body_mut().frame()).await;
        assert!(end.is_some_and(|end| end.is_err()), "{:?}", open.answer.version());
    }
    let end = soon("the cut", chatting.next()).await;
    assert!(!matches!(end, Some(Ok(Message::Close(_)))), "{end:?}");
    drop(http1.send);
    soon("the connection's end", http1.connection).await.unwrap();
}

#[tokio::test]
async fn at_the_deadline_a_callee_cuts_all() {
    all_is_cut(Ending::Callee).await;
}

#[tokio::test]
async fn at_the_deadline_a_caller_cuts_all() {
    all_is_cut(Ending::Caller).await;
}
