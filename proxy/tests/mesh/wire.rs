//! What the protocols promise, end to end: app, sidecar, mTLS, sidecar, app.

mod expect;
mod flow;
mod grpc;
mod interim;
mod messages;
mod streams;
mod tcp;
mod upgrades;

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{protocols::Pair, support::soon};

/// The application's port in these tests.
const PORT: u16 = 8080;

/// One end of an HTTP/1 connection, by hand.
struct Wire {
    io: BufReader<TcpStream>,
}

impl Wire {
    fn over(stream: TcpStream) -> Self {
        Self { io: BufReader::new(stream) }
    }

    async fn open(addr: SocketAddr) -> Self {
        Self::over(soon("a connection", TcpStream::connect(addr)).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        soon("room to write", self.io.write_all(text.as_bytes())).await.unwrap();
    }

    /// The next head, up to its empty line; empty at the end of the connection.
    async fn head(&mut self) -> String {
        let mut head = String::new();
        loop {
            let read = soon("a line of a head", self.io.read_line(&mut head)).await.unwrap_or(0);
            if read == 0 || head.ends_with("\r\n\r\n") {
                return head.to_ascii_lowercase();
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        soon("bytes", self.io.read_exact(&mut bytes)).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Everything up to the end, regular or not.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = soon("the end", self.io.read_to_end(&mut bytes)).await;
        String::from_utf8(bytes).unwrap()
    }
}

/// The application that a test plays itself, connection by connection.
struct Stage {
    connections: tokio::sync::mpsc::UnboundedReceiver<TcpStream>,
}

impl Stage {
    async fn of(pair: &Pair) -> Self {
        let (send, connections) = tokio::sync::mpsc::unbounded_channel();
        crate::support::app::tcp((pair.callee.app, PORT).into(), move |stream| {
            let _ = send.send(stream);
            std::future::ready(())
        })
        .await;
        Self { connections }
    }

    async fn tcp(&mut self) -> TcpStream {
        soon("a connection to the application", self.connections.recv()).await.unwrap()
    }

    async fn next(&mut self) -> Wire {
        Wire::over(self.tcp().await)
    }
}
