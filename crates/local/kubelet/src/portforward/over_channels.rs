//! Port-forward over WebSocket channels (`v4.channel.k8s.io`), which kube-rs speaks: the ports are in the request, and each has two
//! channels, data and error, that begin with the port's number. One connection per port; no half of it can be closed alone.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::join_all;
use futures::stream::SplitStream;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{CHUNK, Target, failure, upload};
use crate::runtime::Runtime;

/// Messages that wait for a pod, or for the network, before their source waits.
const QUEUE: usize = 32;
/// Two channels each, named by a byte.
pub(crate) const MAX_PORTS: usize = 100;

/// Serves the ports until the client goes, or all pods' connections have ended.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    socket: WebSocketStream<S>,
    runtime: Arc<dyn Runtime>,
    target: Target,
    ports: Vec<u16>,
) {
    let (mut output, input) = socket.split();
    let (messages, mut queue) = mpsc::channel(QUEUE);
    let (mut uploads, mut forwards) = (Vec::new(), Vec::new());
    for (channel, port) in (0..).step_by(2).zip(ports) {
        let (upload, from_client) = mpsc::channel(QUEUE);
        uploads.push(upload);
        let channels = Channels { data: channel, messages: messages.clone() };
        forwards.push(forward(runtime.as_ref(), &target, port, channels, from_client));
    }
    drop(messages);
    let writing = async {
        while let Some(message) = queue.recv().await {
            if output.send(message).await.is_err() {
                return;
            }
        }
        // A client that is gone needs no good-bye.
        let _ = output.close().await;
    };
    tokio::select! {
        _ = async { tokio::join!(writing, join_all(forwards)) } => {}
        () = read(input, uploads) => {}
    }
}

struct Channels {
    data: u8,
    messages: mpsc::Sender<Message>,
}

impl Channels {
    async fn send(&self, channel: u8, bytes: &[u8]) -> bool {
        let mut message = BytesMut::with_capacity(bytes.len().saturating_add(1));
        message.put_u8(channel);
        message.put_slice(bytes);
        self.messages.send(Message::Binary(message.freeze())).await.is_ok()
    }
}

async fn forward(
    runtime: &dyn Runtime,
    target: &Target,
    port: u16,
    channels: Channels,
    from_client: mpsc::Receiver<Bytes>,
) {
    let error = channels.data | 1;
    for channel in [channels.data, error] {
        channels.send(channel, &port.to_le_bytes()).await;
    }
    let stream = match runtime.connect(&target.namespace, &target.pod, port).await {
        Ok(stream) => stream,
        Err(why) => {
            channels.send(error, failure(target, port, &why).as_bytes()).await;
            return;
        }
    };
    let (mut from, to) = stream.into_split();
    let download = async {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        while let Ok(1..) = from.read_buf(&mut buffer).await {
            if !channels.send(channels.data, &buffer).await {
                return;
            }
            buffer.clear();
        }
    };
    let upload = async {
        upload(from_client, to).await;
        std::future::pending::<()>().await;
    };
    // The pod has the last word: a client can't say that it has said everything.
    tokio::select! {
        () = download => {}
        () = upload => {}
    }
}

/// Deals out the client's messages until it closes.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    mut input: SplitStream<WebSocketStream<S>>,
    uploads: Vec<mpsc::Sender<Bytes>>,
) {
    while let Some(Ok(message)) = input.next().await {
        let Message::Binary(data) = message else { continue };
        let Some((channel, rest)) = data.split_first() else { continue };
        let upload = uploads.get(usize::from(channel / 2)).filter(|_| channel % 2 == 0 && !rest.is_empty());
        if let Some(upload) = upload {
            // A pod that has hung up gets no more.
            let _ = upload.send(data.slice_ref(rest)).await;
        }
    }
}
