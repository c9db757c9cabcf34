//! More connections than there is room for.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use isthmus_core::inbound::{InboundPolicy, PolicyMode};
use isthmus_proxy::limits::SOURCE_SHARE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::rig::{PORT, Rig};
use crate::support::{address, app, eventually, soon};

const PLACES: usize = 50;

/// `None`: it was reset before this side had looked.
async fn try_from(source: IpAddr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    match soon("a connection", socket.connect(to)).await {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        connected => Some(connected.unwrap()),
    }
}

pub async fn from(source: IpAddr, to: SocketAddr) -> TcpStream {
    try_from(source, to).await.unwrap()
}

/// Asks on a connection that stays open; false if it was reset.
pub async fn asks(stream: &mut TcpStream) -> bool {
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
    let mut heard = Vec::new();
    while !heard.ends_with(b"app") {
        if !soon("an answer", stream.read_buf(&mut heard)).await.is_ok_and(|n| n > 0) {
            return false;
        }
    }
    true
}

pub fn open() -> InboundPolicy {
    InboundPolicy { mode: PolicyMode::Permissive, ..InboundPolicy::default() }
}

#[tokio::test]
async fn one_source_cannot_take_all_places() {
    let rig = Rig::start(open(), |config| config.bounds.connections = PLACES).await;
    app::http((rig.callee.app, PORT).into(), "app").await;
    let door = (rig.callee.ip, PORT).into();
    let (greedy, modest) = (address(), address());
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..PLACES * 2 {
        let mut stream = try_from(greedy, door).await;
        let served = match &mut stream {
            Some(stream) => asks(stream).await,
            None => false,
        };
        match stream.filter(|_| served) {
            Some(stream) => held.push(stream),
            None => refused += 1,
        }
    }
    assert_eq!((held.len(), refused), (PLACES * SOURCE_SHARE / (SOURCE_SHARE + 1), PLACES * 2 - held.len()));
    assert!(rig.callee.metric("isthmus_refused_connections_total{direction=\"inbound\"}").await >= refused as f64);
    // Others are served, and those that are connected too.
    for _ in 0..20 {
        let mut stream = from(modest, door).await;
        assert!(asks(&mut stream).await);
    }
    for stream in &mut held {
        assert!(asks(stream).await);
    }
    drop(held);
    eventually("places are free again", async || match try_from(greedy, door).await {
        Some(mut stream) => asks(&mut stream).await,
        None => false,
    })
    .await;
}

#[tokio::test]
async fn beyond_all_places_connections_wait() {
    let rig = Rig::start(open(), |config| config.bounds.connections = PLACES).await;
    app::http((rig.callee.app, PORT).into(), "app").await;
    let door = (rig.callee.ip, PORT).into();
    let mut held = Vec::new();
    // Each from an address of its own, until all places are taken.
    for _ in 0..PLACES {
        let mut stream = from(address(), door).await;
        assert!(asks(&mut stream).await);
        held.push(stream);
    }
    let mut waiting = from(address(), door).await;
    waiting.write_all(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_millis(300), waiting.read_to_string(&mut answer)).await;
    assert!(read.is_err(), "it waits: {answer}");
    assert!(asks(&mut held[0]).await);
    held.pop();
    soon("its turn", waiting.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("app"), "{answer}");
}
