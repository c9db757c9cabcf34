use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::testing::{AsyncReader, AsyncWriter, Harness, LIMIT, SpdyClient};

const PATH: &str = "/portForward/shop/web-1";
const PROTOCOL: &str = "portforward.k8s.io";

async fn open<R: AsyncReader, W: AsyncWriter>(client: &mut SpdyClient<R, W>, port: &str, request: &str) -> (u32, u32) {
    let mut ids = Vec::new();
    for kind in ["error", "data"] {
        ids.push(client.open(&[("streamtype", kind), ("port", port), ("requestid", request)]).await);
        if kind == "error" {
            client.send(ids[0], b"", true).await;
        }
    }
    (ids[0], ids[1])
}

async fn echoes<R: AsyncReader, W: AsyncWriter>(mut client: SpdyClient<R, W>) {
    // Two at a time, and one whose pod does not listen.
    let (first, refused, second) =
        (open(&mut client, "7", "0").await, open(&mut client, "8", "1").await, open(&mut client, "7", "2").await);
    client.send(second.1, b"second", true).await;
    client.send(first.1, b"first", true).await;
    assert_eq!(client.read(first.1).await, "first");
    assert_eq!(client.read(second.1).await, "second");
    assert_eq!((client.read(first.0).await, client.read(second.0).await), (String::new(), String::new()));
    let error = client.read(refused.0).await;
    assert_eq!(error, "error forwarding port 8 to pod shop/web-1: connection refused");
    assert_eq!(client.read(refused.1).await, "");
}

#[tokio::test]
async fn over_spdy() {
    let harness = Harness::start().await;
    echoes(harness.spdy(PATH, PROTOCOL).await).await;
}

#[tokio::test]
async fn over_spdy_within_websocket() {
    let harness = Harness::start().await;
    let (protocol, socket) = harness.web_socket(PATH, "SPDY/3.1+portforward.k8s.io").await;
    assert_eq!(protocol, "SPDY/3.1+portforward.k8s.io");
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (mut messages, mut answers) = socket.split();
    let (mut from, mut to) = tokio::io::split(far);
    tokio::spawn(async move {
        let mut buffer = [0; 100];
        while let Ok(read @ 1..) = tokio::io::AsyncReadExt::read(&mut from, &mut buffer).await {
            messages.send(Message::Binary(buffer[..read].to_vec().into())).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Some(Ok(Message::Binary(data))) = answers.next().await {
            tokio::io::AsyncWriteExt::write_all(&mut to, &data).await.unwrap();
        }
    });
    let (input, output) = tokio::io::split(near);
    echoes(SpdyClient::new(input, output)).await;
}

#[tokio::test]
async fn pairs_without_numbers_belong_together_by_their_order() {
    let harness = Harness::start().await;
    let mut client = harness.spdy(PATH, PROTOCOL).await;
    let error = client.open(&[("streamtype", "error"), ("port", "7")]).await;
    let data = client.open(&[("streamtype", "data"), ("port", "7")]).await;
    client.send(data, b"old", true).await;
    assert_eq!(client.read(data).await, "old");
    assert_eq!(client.read(error).await, "");
}

#[tokio::test]
async fn over_channels() {
    let harness = Harness::start().await;
    let (protocol, mut socket) =
        harness.web_socket("/portForward/shop/web-1?port=9&port=8", "v5.channel.k8s.io, v4.channel.k8s.io").await;
    assert_eq!(protocol, "v4.channel.k8s.io");
    let mut messages = Vec::new();
    socket.send(Message::Binary(b"\x00hello".to_vec().into())).await.unwrap();
    while let Some(Ok(message)) = tokio::time::timeout(LIMIT, socket.next()).await.unwrap() {
        if let Message::Binary(data) = message {
            messages.push((data[0], String::from_utf8_lossy(&data[1..]).into_owned()));
        }
    }
    for (channel, wanted) in [(0, "\t\0"), (1, "\t\0"), (2, "\u{8}\0"), (3, "\u{8}\0"), (0, "hello")] {
        assert!(messages.contains(&(channel, wanted.to_owned())), "{channel} {wanted:?}: {messages:?}");
    }
    assert!(
        messages.iter().any(|(channel, text)| *channel == 3 && text.contains("connection refused")),
        "{messages:?}"
    );
}

#[tokio::test]
async fn ports_of_channels_are_checked() {
    let harness = Harness::start().await;
    let headers =
        [("upgrade", "websocket"), ("sec-websocket-key", "x"), ("sec-websocket-protocol", "v4.channel.k8s.io")];
    for query in ["", "?port=0", "?port=65536", "?port=a", "?port=1,b"] {
        let refused = harness.upgrade(&format!("{PATH}{query}"), &headers).await;
        assert_eq!(refused.err(), Some(http::StatusCode::BAD_REQUEST), "{query}");
    }
}
