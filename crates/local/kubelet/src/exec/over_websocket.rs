//! Exec over WebSocket, protocols `v5.channel.k8s.io` and `v4.channel.k8s.io`: the first byte of each message is the channel.

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::SplitStream;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Command, Output, Streams, run, status};
use crate::runtime::{ContainerRef, Runtime};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// v5: the channel named in the next byte is closed by the client.
const CLOSE: u8 = 255;

/// Messages that wait for the program, or for the network, before their source waits.
const QUEUE: usize = 32;

/// A channel towards the client.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    number: u8,
    messages: mpsc::Sender<Message>,
}

impl Channel {
    pub(super) async fn send(&self, data: Bytes) -> bool {
        let mut message = BytesMut::with_capacity(data.len().saturating_add(1));
        message.put_u8(self.number);
        message.put(data);
        self.messages.send(Message::Binary(message.freeze())).await.is_ok()
    }
}

/// Serves one exec on an upgraded connection.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    socket: WebSocketStream<S>,
    runtime: &dyn Runtime,
    container: &ContainerRef,
    command: Command,
) {
    let (mut output, input) = socket.split();
    let (messages, mut queue) = mpsc::channel(QUEUE);
    let writing = async {
        while let Some(message) = queue.recv().await {
            if output.send(message).await.is_err() {
                return;
            }
        }
    };
    let serving = exchange(input, messages, runtime, container, command);
    tokio::join!(writing, serving);
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    input: SplitStream<WebSocketStream<S>>,
    messages: mpsc::Sender<Message>,
    runtime: &dyn Runtime,
    container: &ContainerRef,
    command: Command,
) {
    let options = command.options;
    let channel = |number| Channel { number, messages: messages.clone() };
    let error = channel(ERROR);
    let (stdin, from_stdin) = mpsc::channel(QUEUE);
    let (resize, from_resize) = mpsc::channel(QUEUE);
    let inputs = Inputs { stdin: options.stdin.then_some(stdin), resize: options.tty.then_some(resize) };
    let process = match runtime.exec(container, command.argv, options).await {
        Ok(process) => process,
        Err(failure) => {
            error.send(status::not_started(&failure)).await;
            return close(&messages, input).await;
        }
    };
    let stdout = options.stdout.then(|| channel(STDOUT));
    let stderr = (options.stderr && !options.tty).then(|| channel(STDERR));
    // The first message, which is empty, tells the client that it is connected.
    if let Some(first) = stdout.as_ref().or(stderr.as_ref()) {
        first.send(Bytes::new()).await;
    }
    let streams = Streams {
        stdin: options.stdin.then_some(from_stdin),
        stdout: stdout.map(Output::WebSocket),
        stderr: stderr.map(Output::WebSocket),
        resize: options.tty.then_some(from_resize),
        error: Output::WebSocket(error),
    };
    let mut input = input;
    let ended = tokio::select! {
        () = run(process, streams) => true,
        // The client has gone: so does the program.
        () = inputs.read(&mut input) => false,
    };
    if ended {
        close(&messages, input).await;
    }
}

/// Says good-bye and lets the client say it too, so that nothing that is still on its way is lost.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    messages: &mpsc::Sender<Message>,
    mut input: SplitStream<WebSocketStream<S>>,
) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    if messages.send(Message::Close(Some(frame))).await.is_ok() {
        let rest = async { while let Some(Ok(_)) = input.next().await {} };
        let _ = tokio::time::timeout(crate::LINGER, rest).await;
    }
}

struct Inputs {
    stdin: Option<mpsc::Sender<Bytes>>,
    resize: Option<mpsc::Sender<Bytes>>,
}

impl Inputs {
    /// Deals out the client's messages until it closes.
    async fn read<S: AsyncRead + AsyncWrite + Unpin>(mut self, input: &mut SplitStream<WebSocketStream<S>>) {
        while let Some(Ok(message)) = input.next().await {
            // Text may carry channels too; pings are answered by the library.
            let data: Bytes = match message {
                Message::Binary(data) => data,
                Message::Text(text) => text.into(),
                Message::Close(_) => return,
                _ => continue,
            };
            let Some((channel, rest)) = data.split_first() else { continue };
            let body = data.slice_ref(rest);
            let to = match (*channel, rest) {
                (STDIN, [_, ..]) => &self.stdin,
                (RESIZE, [_, ..]) => &self.resize,
                (CLOSE, [STDIN]) => {
                    self.stdin = None;
                    continue;
                }
                _ => continue,
            };
            if let Some(to) = to {
                // A program that has closed its input gets no more of it.
                let _ = to.send(body).await;
            }
        }
    }
}
