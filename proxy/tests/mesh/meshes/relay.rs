//! Stands for a gateway between meshes: passes connections on by the name in their ClientHello, and can't read them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use isthmus_proxy::client_hello::{self, Unread};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::support::{address, eventually};

/// A relay; clones are the same one.
#[derive(Clone)]
pub struct Relay {
    pub addr: SocketAddr,
    /// How long each connection is held up before it is passed on.
    delay: Duration,
    routes: Arc<Mutex<HashMap<String, SocketAddr>>>,
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<Mutex<CancellationToken>>,
}

impl Relay {
    pub async fn start(delay: Duration) -> Self {
        let relay = Self {
            addr: (address(), 15_443).into(),
            delay,
            routes: Arc::default(),
            seen: Arc::default(),
            stop: Arc::default(),
        };
        relay.resume().await;
        relay
    }

    /// Connections for this name go there from now on.
    pub fn route(&self, name: &str, to: SocketAddr) {
        self.routes.lock().unwrap().insert(name.into(), to);
    }

    /// The names that were asked for so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Ends as a process that is killed: connections are reset, further ones refused.
    pub fn kill(&self) {
        self.stop.lock().unwrap().cancel();
    }

    /// Takes connections (again).
    pub async fn resume(&self) {
        let stop = CancellationToken::new();
        *self.stop.lock().unwrap() = stop.clone();
        let bound = std::cell::Cell::new(None);
        eventually("the relay's port is free", async || {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            let listener = socket.bind(self.addr).and_then(|()| socket.listen(1024));
            let free = listener.is_ok();
            bound.set(listener.ok());
            free
        })
        .await;
        let listener: TcpListener = bound.take().unwrap();
        let relay = self.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(stop.clone().run_until_cancelled_owned(relay.clone().serve(client)));
            }
        }));
    }

    async fn serve(self, mut client: TcpStream) {
        // However it ends, it isn't a regular end.
        client.set_zero_linger().unwrap();
        let mut hello = Vec::new();
        let name = loop {
            match client_hello::parse(&hello) {
                Ok(hello) => break hello.server_name.unwrap_or_default(),
                Err(Unread::Malformed) => return,
                Err(Unread::Incomplete) => {}
            }
            if client.read_buf(&mut hello).await.is_ok_and(|n| n == 0) {
                return;
            }
        };
        self.seen.lock().unwrap().push(name.clone());
        tokio::time::sleep(self.delay).await;
        let Some(to) = self.routes.lock().unwrap().get(&name).copied() else { return };
        let Ok(mut server) = TcpStream::connect(to).await else { return };
        server.set_zero_linger().unwrap();
        if server.write_all(&hello).await.is_ok() {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    }
}
