//! Balancers before the gateway, which name their clients by the PROXY protocol.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::support::{
    DEADLINE,
    control::Script,
    eventually,
    gateway::{Gateway, exporting, name_in},
    raw::{Listener, expect, expect_reset, hello, say},
};

/// A version 2 header for a client at 10.0.0.`host`.
fn header(host: u8) -> Vec<u8> {
    let addresses = [10, 0, 0, host, 10, 9, 9, 9, 0x30, 0x39, 0x3c, 0x53];
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", &addresses[..]].concat()
}

async fn gateway(trusted: &str, hello_time: Duration) -> (Script, Listener, Gateway) {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start_with(&script, exporting(&[pod.addr()]), |config| {
        config.balancers = vec![trusted.parse().unwrap()];
        config.bounds.hello_time = hello_time;
        (config.bounds.source_burst, config.bounds.source_rate) = (3, 1);
        config.bounds.connections = 10;
    })
    .await;
    (script, pod, gateway)
}

#[tokio::test]
async fn a_balancers_clients_are_the_sources() {
    let (_script, pod, gateway) = gateway("127.0.0.0/8", DEADLINE).await;
    // More than one source might have: nine connections of nine clients, by one balancer.
    let mut open = Vec::new();
    for host in 1..=9 {
        let bytes = hello(&name_in("west"));
        let mut client = say(gateway.addr, &[header(host), bytes.clone()].concat()).await;
        let mut server = pod.accept(&bytes).await;
        server.write_all(b"welcome").await.unwrap();
        expect(&mut client, b"welcome").await;
        open.push((client, server));
    }
    drop(open);
    eventually("all have ended", async || gateway.open().await == 0.0).await;
    // One client in haste is refused by its own rate.
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        drop(say(gateway.addr, &header(77)).await);
    }
    // Either by the client's rate, or because too many of the balancer's connections haven't named their clients yet.
    let refused = async || gateway.refused("rate").await + gateway.refused("share").await;
    eventually("all are counted", async || refused().await + gateway.refused("closed").await == 20.0).await;
    let most = 3.0 + begun.elapsed().as_secs_f64() + 1.0;
    assert!(refused().await >= 20.0 - most && gateway.refused("rate").await > 0.0);
    // A health check of the balancer's own, and one that names nobody.
    for command in [b"\x20\x00\x00\x00", b"\x21\x00\x00\x00"] {
        let bytes = hello(&name_in("west"));
        let mut client = say(gateway.addr, &[b"\r\n\r\n\0\r\nQUIT\n", &command[..], &bytes].concat()).await;
        let mut server = pod.accept(&bytes).await;
        server.write_all(b"well").await.unwrap();
        expect(&mut client, b"well").await;
        drop((client, server));
        eventually("ended", async || gateway.open().await == 0.0).await;
    }
}

#[tokio::test]
async fn hostile_prefaces_are_refused() {
    let (_script, _pod, gateway) = gateway("127.0.0.0/8", Duration::from_secs(2)).await;
    let hello = hello(&name_in("west"));
    for bytes in [
        hello.clone(),
        b"PROXY TCP4 10.0.0.1 10.9.9.9 12345 15443\r\n".to_vec(),
        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", &hello[..]].concat(),
        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x04", &hello[..]].concat(),
        [b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c", &hello[..]].concat(),
    ] {
        let before = gateway.refused("preface").await;
        let mut client = say(gateway.addr, &bytes).await;
        expect_reset(&mut client).await;
        eventually("counted", async || gateway.refused("preface").await == before + 1.0).await;
    }
    // One that never comes costs its time, not more.
    let mut client = say(gateway.addr, &header(1)[..20]).await;
    expect_reset(&mut client).await;
    assert_eq!(gateway.refused("hello-slow").await, 1.0);
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let (_script, pod, gateway) = gateway("192.0.2.0/24", DEADLINE).await;
    let bytes = hello(&name_in("west"));
    let mut client = say(gateway.addr, &[header(1), bytes.clone()].concat()).await;
    expect_reset(&mut client).await;
    assert_eq!(gateway.refused("not-tls").await, 1.0);
    let _client = say(gateway.addr, &bytes).await;
    pod.accept(&bytes).await;
}
