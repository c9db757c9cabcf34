//! Leaving HTTP: upgrades, WebSocket over HTTP/1.1 and HTTP/2, CONNECT.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};

use super::{PORT, Pair, Stage, Wire};
use crate::support::{app, client, soon};

#[tokio::test]
async fn websockets_talk_both_ways_and_close_in_order() {
    let pair = Pair::start(PORT).await;
    app::tcp((pair.callee.app, PORT).into(), |stream| async move {
        let mut socket = accept_async(stream).await.unwrap();
        socket.send(Message::text("first word")).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    })
    .await;
    let stream = TcpStream::connect(pair.caller.call(0)).await.unwrap();
    let (mut socket, answer) = soon("a handshake", client_async("ws://web/chat", stream)).await.unwrap();
    assert_eq!(answer.status(), 101);
    assert_eq!(soon("the greeting", socket.next()).await.unwrap().unwrap(), Message::text("first word"));
    for message in [Message::text("hello"), Message::binary(vec![7; 1_000_000]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    assert!(soon("the close", socket.next()).await.unwrap().unwrap().is_close());
    assert!(soon("the end", socket.next()).await.is_none());
}

const UPGRADE: &str = "GET /x HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

#[tokio::test]
async fn bytes_that_come_with_the_heads_are_not_lost() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send(&format!("{UPGRADE}early")).await;
    let mut app = stage.next().await;
    let head = app.head().await;
    assert!(head.contains("upgrade: x\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
    app.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nat once").await;
    assert_eq!(app.exactly(5).await, "early");
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: x\r\n"), "{head}");
    assert_eq!(client.exactly(7).await, "at once");
    // Either side may end first.
    app.io.shutdown().await.unwrap();
    assert_eq!(client.rest().await, "");
    client.send("still here").await;
    client.io.shutdown().await.unwrap();
    assert_eq!(app.rest().await, "still here");
}

#[tokio::test]
async fn a_declined_upgrade_is_an_answer_like_others() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    let mut app = None;
    for _ in 0..2 {
        client.send(UPGRADE).await;
        let app = match &mut app {
            Some(app) => app,
            none => none.insert(stage.next().await),
        };
        app.head().await;
        app.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno").await;
        assert!(client.head().await.starts_with("http/1.1 426"));
        assert_eq!(client.exactly(2).await, "no");
    }
}

#[tokio::test]
async fn an_upgrade_to_http2_stays_between_neighbours() {
    let pair = Pair::http().await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client
        .send(
            "GET /headers HTTP/1.1\r\nhost: web\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
             http2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
        )
        .await;
    let answer = client.head().await + &client.rest().await;
    assert!(answer.starts_with("http/1.1 200") && !answer.contains("h2c") && !answer.contains("http2-settings"));
}

/// An HTTP/2 application that takes extended CONNECT and shouts what it hears.
async fn shouting(mut stage: Stage) {
    let stream = stage.connections.recv().await.unwrap();
    let mut connection =
        h2::server::Builder::new().enable_connect_protocol().handshake::<_, Bytes>(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let protocol = request.extensions().get::<h2::ext::Protocol>().map(|p| p.as_str().to_owned());
            let response = Response::builder().header("x-protocol", protocol.unwrap_or_default());
            if request.uri().path() == "/no" {
                let refused = response.status(403).body(()).unwrap();
                respond.send_response(refused, true).unwrap();
                return;
            }
            let mut send = respond.send_response(response.body(()).unwrap(), false).unwrap();
            let mut body = request.into_body();
            while let Some(data) = body.data().await {
                let data = data.unwrap();
                body.flow_control().release_capacity(data.len()).unwrap();
                send.send_data(data.to_ascii_uppercase().into(), false).unwrap();
            }
            send.send_data(Bytes::new(), true).unwrap();
        });
    }
}

#[tokio::test]
async fn extended_connect_opens_a_stream_of_another_protocol() {
    let pair = Pair::start(PORT).await;
    tokio::spawn(shouting(Stage::of(&pair).await));
    let stream = TcpStream::connect(pair.caller.call(0)).await.unwrap();
    let (mut sender, mut connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let offered = async {
        while !connection.is_extended_connect_protocol_enabled() {
            let _ = futures::poll!(&mut connection);
            tokio::task::yield_now().await;
        }
    };
    soon("the proxy's offer", offered).await;
    tokio::spawn(connection);
    let connect = |path: &str| {
        let mut request = Request::connect(format!("http://web{path}")).body(Empty::<Bytes>::new()).unwrap();
        request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
        request
    };
    let refused = soon("an answer", sender.send_request(connect("/no"))).await.unwrap();
    assert_eq!(refused.status(), 403);
    for word in [&b"hello"[..], b"world"] {
        let mut response = soon("an answer", sender.send_request(connect("/chat"))).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-protocol"]),
            (200, &"websocket".parse().unwrap())
        );
        let mut io = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
        io.write_all(word).await.unwrap();
        let mut heard = vec![0; word.len()];
        soon("a shout", io.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, word.to_ascii_uppercase());
        io.shutdown().await.unwrap();
        assert_eq!(soon("the end", io.read(&mut heard)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_explicit_proxy_takes_connect_on_http2_too() {
    let pair = Pair::start(PORT).await;
    app::echo((pair.callee.app, PORT).into()).await;
    let mut sender = client::http2(pair.caller.explicit()).await.unwrap();
    let request = Request::connect("web.shop:80").body(Empty::<Bytes>::new()).unwrap();
    let mut response = soon("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut io = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    io.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    soon("an echo", io.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"hello");
    io.shutdown().await.unwrap();
    assert_eq!(soon("the end", io.read(&mut heard)).await.unwrap(), 0);
}
