use std::time::{Duration, Instant};

use prometheus::IntCounter;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{pipes::Pipes, *};
use crate::{
    limits::{COPY_BYTES, IDLE_PIPES, PIPES},
    live::Registry,
};

/// Both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

/// Sends this many bytes through a relay and reads them; bytes counted.
async fn through(means: &Means, length: usize) -> u64 {
    let (mut client, mut near) = connection().await;
    let (mut far, mut server) = connection().await;
    let registry = std::rc::Rc::new(Registry::default());
    let live = registry.register();
    let (received, sent) = (IntCounter::new("a", "a").unwrap(), IntCounter::new("b", "b").unwrap());
    let tally = Tally { live: &live, received: &received, sent: &sent };
    let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut read = Vec::new();
    let (relayed, ..) = tokio::join!(
        relay(means, &mut near, &mut far, tally),
        async {
            client.write_all(&bytes).await.unwrap();
            client.shutdown().await.unwrap();
        },
        async {
            server.read_to_end(&mut read).await.unwrap();
            server.shutdown().await.unwrap();
        }
    );
    relayed.unwrap();
    assert!(read == bytes, "other bytes than were sent");
    registry.sweep(Instant::now(), Duration::MAX);
    received.get()
}

#[tokio::test]
async fn little_is_copied_and_much_is_spliced() {
    let means = Means::new();
    assert_eq!(through(&means, 1000).await, 1000);
    assert_eq!(means.pipes.idle(), 0, "no pipe was needed");
    assert_eq!(through(&means, 64 * COPY_BYTES).await, 64 * 64 * 1024);
    assert!(means.pipes.idle() > 0, "what was spliced has left its pipe behind");
}

#[tokio::test]
async fn a_server_is_probed_once_its_connection_lasts() {
    let means = Means::new();
    let (client, mut near) = connection().await;
    let (far, server) = connection().await;
    let far = far.into_std().unwrap();
    let same = far.try_clone().unwrap();
    let mut far = TcpStream::from_std(far).unwrap();
    let registry = std::rc::Rc::new(Registry::default());
    let live = registry.register();
    let (received, sent) = (IntCounter::new("a", "a").unwrap(), IntCounter::new("b", "b").unwrap());
    let tally = Tally { live: &live, received: &received, sent: &sent };
    let probed = || SockRef::from(&same).keepalive().unwrap();
    let until_probed = async {
        tokio::task::yield_now().await;
        assert!(!probed(), "a short connection isn't worth it");
        registry.sweep(Instant::now(), Duration::MAX);
        while !probed() {
            tokio::task::yield_now().await;
        }
        drop((client, server));
    };
    let cut = async { live.cut().await };
    let both = async {
        tokio::select! {
            _ = cut => unreachable!("nothing was cut"),
            relayed = relay(&means, &mut near, &mut far, tally) => relayed,
        }
    };
    let all = async { tokio::join!(both, until_probed) };
    tokio::time::timeout(Duration::from_secs(10), all).await.unwrap().0.unwrap();
}

#[tokio::test]
async fn without_pipes_all_is_copied() {
    let means = Means::new();
    means.pipes.refuse();
    assert_eq!(through(&means, 64 * COPY_BYTES).await, 64 * 64 * 1024);
    assert_eq!(means.pipes.idle(), 0);
}

#[tokio::test]
async fn pipes_are_lent_up_to_a_number_and_only_some_are_kept() {
    let pipes = Pipes::default();
    let lent: Vec<_> = std::iter::from_fn(|| pipes.lend()).collect();
    assert_eq!(lent.len(), PIPES);
    drop(lent);
    assert_eq!(pipes.idle(), IDLE_PIPES);
    assert!(pipes.lend().is_some());
}

#[tokio::test]
async fn a_pipe_that_holds_something_is_not_lent_again() {
    let pipes = Pipes::default();
    let (mut client, near) = connection().await;
    client.write_all(b"of one connection").await.unwrap();
    near.readable().await.unwrap();
    let mut pipe = pipes.lend().unwrap();
    assert_eq!((pipe.fill(&near).unwrap(), pipe.held()), (17, 17));
    drop(pipe);
    assert_eq!(pipes.idle(), 0);
}
