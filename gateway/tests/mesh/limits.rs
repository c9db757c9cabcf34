//! Limits by source, and of time.

use std::{io, net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{
    address,
    control::Script,
    eventually,
    gateway::{Gateway, exporting, name_in},
    raw::{Listener, expect, expect_reset, hello, say},
    soon,
};

async fn connect_from(source: IpAddr, gateway: &Gateway) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(gateway.addr).await
}

#[tokio::test]
async fn one_source_leaves_places_for_others() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start_with(&script, exporting(&[pod.addr()]), |c| c.bounds.connections = 10).await;
    let (greedy, modest) = (address(), address());
    let mut held = Vec::new();
    for _ in 0..20 {
        held.extend(connect_from(greedy, &gateway).await);
    }
    eventually("what is beyond its share is refused", async || gateway.refused("share").await == 12.0).await;
    let bytes = hello(&name_in("west"));
    let mut client = connect_from(modest, &gateway).await.unwrap();
    client.write_all(&bytes).await.unwrap();
    pod.accept(&bytes).await.write_all(b"welcome").await.unwrap();
    expect(&mut client, b"welcome").await;
    drop(held);
    eventually("places are free again", async || {
        let bytes = hello(&name_in("west"));
        let Ok(mut client) = connect_from(greedy, &gateway).await else { return false };
        if client.write_all(&bytes).await.is_err() {
            return false;
        }
        tokio::select! {
            read = client.read_u8() => read.is_ok(),
            mut server = pod.accept(&bytes) => server.write_u8(1).await.is_ok(),
        }
    })
    .await;
}

#[tokio::test]
async fn one_source_comes_at_a_rate() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start_with(&script, exporting(&[pod.addr()]), |config| {
        (config.bounds.source_burst, config.bounds.source_rate) = (5, 1);
    })
    .await;
    let (hasty, calm) = (address(), address());
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        drop(connect_from(hasty, &gateway).await);
    }
    eventually("all are counted", async || gateway.refused("rate").await + gateway.refused("closed").await == 100.0)
        .await;
    let most = 5.0 + begun.elapsed().as_secs_f64() + 1.0;
    assert!(gateway.refused("rate").await >= 100.0 - most);
    let bytes = hello(&name_in("west"));
    let mut client = connect_from(calm, &gateway).await.unwrap();
    client.write_all(&bytes).await.unwrap();
    pod.accept(&bytes).await;
}

#[tokio::test]
async fn a_connection_at_rest_is_cut() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway =
        Gateway::start_with(&script, exporting(&[pod.addr()]), |c| c.bounds.idle = Duration::from_secs(3)).await;
    let bytes = hello(&name_in("west"));
    let (mut idle, mut idle_server) = (say(gateway.addr, &bytes).await, pod.accept(&bytes).await);
    let other = hello(&name_in("west"));
    let (mut busy, mut busy_server) = (say(gateway.addr, &other).await, pod.accept(&other).await);
    // Bytes of either side keep a connection.
    let talking = async {
        loop {
            busy_server.write_all(b"tick").await.unwrap();
            expect(&mut busy, b"tick").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let cut = async {
        expect_reset(&mut idle).await;
        expect_reset(&mut idle_server).await;
    };
    tokio::select! {
        () = talking => {}
        () = soon("the idle one is cut", cut) => {}
    }
    assert_eq!((gateway.cut("idle").await, gateway.open().await), (1.0, 1.0));
}
