use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::testing::{Harness, LIMIT, WebSocket};

const EXITED_7: &str = r#""details":{"causes":[{"message":"7","reason":"ExitCode"}]}"#;

fn message(bytes: &'static [u8]) -> Message {
    Message::Binary(Bytes::from_static(bytes))
}

/// All that comes until the close, by channel.
async fn rest(socket: &mut WebSocket) -> Vec<String> {
    let mut channels = vec![Vec::new(); 5];
    let read = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Binary(data) = message {
                channels[usize::from(data[0])].extend_from_slice(&data[1..]);
            }
        }
    };
    tokio::time::timeout(LIMIT, read).await.unwrap();
    channels.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

#[tokio::test]
async fn websocket_v5_closes_stdin_by_itself() {
    let harness = Harness::start().await;
    let path = "/exec/shop/web-1/web?command=cat&input=1&output=1";
    let (protocol, mut socket) = harness.web_socket(path, "v5.channel.k8s.io, v4.channel.k8s.io").await;
    assert_eq!(protocol, "v5.channel.k8s.io");
    assert_eq!(socket.next().await.unwrap().unwrap(), message(b"\x01"), "an empty message tells that it is connected");
    for bytes in [&b"\x00hello "[..], b"\x00world", b"\xff\x00"] {
        socket.send(message(bytes)).await.unwrap();
    }
    let channels = rest(&mut socket).await;
    assert_eq!(channels[1], "hello world");
    assert_eq!(channels[3], r#"{"metadata":{},"status":"Success"}"#);
}

#[tokio::test]
async fn websocket_v4_tells_exit_codes_and_keeps_the_outputs_apart() {
    let harness = Harness::start().await;
    let path = "/exec/shop/web-1/uid/web?command=fail&command=7&output=1&error=1";
    let (protocol, mut socket) = harness.web_socket(path, "v4.channel.k8s.io").await;
    assert_eq!(protocol, "v4.channel.k8s.io");
    let channels = rest(&mut socket).await;
    assert_eq!((channels[1].as_str(), channels[2].as_str()), ("out", "err"));
    assert!(channels[3].contains(EXITED_7) && channels[3].contains("NonZeroExitCode"), "{}", channels[3]);
}

#[tokio::test]
async fn websocket_resizes_the_terminal() {
    let harness = Harness::start().await;
    let path = "/exec/shop/web-1/web?command=size&output=1&error=1&tty=1";
    let (_, mut socket) = harness.web_socket(path, "v5.channel.k8s.io").await;
    socket.send(message(b"\x04{\"Width\":80,\"Height\":24}")).await.unwrap();
    assert_eq!(rest(&mut socket).await[1], "80x24");
}

#[tokio::test]
async fn what_cannot_be_started_is_told_in_the_status() {
    let harness = Harness::start().await;
    let (_, mut socket) =
        harness.web_socket("/exec/shop/web-1/web?command=missing&output=1", "v5.channel.k8s.io").await;
    let status = rest(&mut socket).await.remove(3);
    assert!(status.contains("InternalError") && status.contains("cannot run \\\"missing\\\""), "{status}");
}

#[tokio::test]
async fn a_program_ends_when_its_client_goes() {
    let path = "/exec/shop/web-1/web?command=hang&input=1&output=1";
    let harness = Harness::start().await;
    let (_, mut socket) = harness.web_socket(path, "v5.channel.k8s.io").await;
    socket.next().await.unwrap().unwrap();
    drop(socket);
    tokio::time::timeout(LIMIT, harness.dropped.cancelled()).await.unwrap();

    let harness = Harness::start().await;
    let mut spdy = harness.spdy(path, "v4.channel.k8s.io").await;
    for kind in ["error", "stdin", "stdout"] {
        spdy.open(&[("streamtype", kind)]).await;
    }
    drop(spdy);
    tokio::time::timeout(LIMIT, harness.dropped.cancelled()).await.unwrap();
}

#[tokio::test]
async fn spdy_exec_as_older_kubectls_and_api_servers_do_it() {
    let harness = Harness::start().await;
    let mut client = harness.spdy("/exec/shop/web-1/web?command=cat&input=1&output=1", "v4.channel.k8s.io").await;
    let error = client.open(&[("streamtype", "error")]).await;
    let stdin = client.open(&[("streamtype", "stdin")]).await;
    let stdout = client.open(&[("streamtype", "stdout")]).await;
    // As kubectl does: its halves of the streams that it only reads end at once.
    client.send(error, b"", true).await;
    client.send(stdin, b"hello", false).await;
    client.send(stdin, b"", true).await;
    assert_eq!(client.read(stdout).await, "hello");
    assert_eq!(client.read(error).await, r#"{"metadata":{},"status":"Success"}"#);
}

#[tokio::test]
async fn spdy_exec_tells_exit_codes() {
    let harness = Harness::start().await;
    let path = "/exec/shop/web-1/web?command=fail&command=7&output=1&error=1";
    let mut client = harness.spdy(path, "v4.channel.k8s.io").await;
    let error = client.open(&[("streamtype", "error")]).await;
    let stdout = client.open(&[("streamtype", "stdout")]).await;
    let stderr = client.open(&[("streamtype", "stderr")]).await;
    assert!(client.read(error).await.contains(EXITED_7));
    assert_eq!((client.read(stdout).await, client.read(stderr).await), ("out".into(), "err".into()));
}

#[tokio::test]
async fn a_stream_of_no_known_kind_ends_the_connection() {
    let harness = Harness::start().await;
    let mut client = harness.spdy("/exec/shop/web-1/web?command=cat&output=1", "v4.channel.k8s.io").await;
    client.open(&[("streamtype", "surprise")]).await;
    let read = tokio::spawn(async move { client.read(1).await });
    assert!(tokio::time::timeout(LIMIT, read).await.unwrap().is_err());
}
