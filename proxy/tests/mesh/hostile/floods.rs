//! More connections than there is room for.

use std::{
    fs::File,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use isthmus_core::inbound::{InboundPolicy, PolicyMode};
use isthmus_proxy::limits::SOURCE_SHARE;
use nix::sys::resource::{Resource, setrlimit};
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

async fn from(source: IpAddr, to: SocketAddr) -> TcpStream {
    try_from(source, to).await.unwrap()
}

/// Asks on a connection that stays open; false if it was reset.
async fn asks(stream: &mut TcpStream) -> bool {
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
    let mut heard = Vec::new();
    while !heard.ends_with(b"app") {
        if !soon("an answer", stream.read_buf(&mut heard)).await.is_ok_and(|n| n > 0) {
            return false;
        }
    }
    true
}

fn open() -> InboundPolicy {
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

/// Descriptors belong to the whole process, so this needs one of its own.
#[test]
fn out_of_file_descriptors() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::floods::in_a_process_without_descriptors", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

#[tokio::test]
#[ignore = "run by out_of_file_descriptors, in a process of its own"]
async fn in_a_process_without_descriptors() {
    setrlimit(Resource::RLIMIT_NOFILE, 400, 400).unwrap();
    let rig = Rig::start(open(), |_| {}).await;
    app::http((rig.callee.app, PORT).into(), "app").await;
    let door = (rig.callee.ip, PORT).into();
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(door).await.unwrap();
        assert!(asks(&mut stream).await);
        held.push(stream);
    }
    // A client's socket, and then nothing is left for the proxy's side of it.
    let socket = TcpSocket::new_v4().unwrap();
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!hoard.is_empty());
    let mut waiting = soon("a connection", socket.connect(door)).await.unwrap();
    waiting.write_all(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // Idle connections to endpoints are given up for it, and it may be served by that; what is open goes on in any case.
    for _ in 0..20 {
        hoard.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut alive = 0;
    for stream in &mut held {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n").await.unwrap();
        let mut heard = vec![0; 12];
        soon("an answer", stream.read_exact(&mut heard)).await.unwrap();
        alive += usize::from(heard.starts_with(b"HTTP/1.1 "));
    }
    assert_eq!(alive, 5, "open connections are answered, though perhaps that no endpoint can be dialled");
    drop(hoard);
    soon("its turn", waiting.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let mut fresh = TcpStream::connect(door).await.unwrap();
    assert!(asks(&mut fresh).await);
}
