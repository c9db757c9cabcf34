//! Bytes through gateways, and ends of connections.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    address,
    control::Script,
    eventually,
    gateway::{Gateway, exporting, importing, name_in},
    raw::{Listener, expect, expect_end, expect_reset, hello, reset, say},
    soon,
    tls::{self, Pod, call, echo},
};

const MIB: usize = 1 << 20;

/// Bytes that don't repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut x = 88_172_645_463_325_252_u64;
    std::iter::repeat_with(|| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()[0]
    })
    .take(length)
    .collect()
}

/// A client and its pod, joined by a gateway, with the ClientHello behind them.
async fn joined() -> (Script, Gateway, TcpStream, TcpStream) {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start(&script, exporting(&[pod.addr()])).await;
    let bytes = hello(&name_in("west"));
    let client = say(gateway.addr, &bytes).await;
    let server = pod.accept(&bytes).await;
    (script, gateway, client, server)
}

#[tokio::test]
async fn mesh_tls_meets_end_to_end() {
    let script = Script::start().await;
    let pod = Pod::start(&script, "callee").await;
    let gateway = Gateway::start(&script, exporting(&[pod.addr])).await;
    let caller = tls::id("caller");
    let mut stream = call(gateway.addr, &name_in("west"), &script.tls(caller.as_str()), &pod.id).await.unwrap();
    for length in [1, 1000, 5 * MIB] {
        soon("an echo", echo(&mut stream, &noise(length))).await.unwrap();
    }
    assert_eq!(pod.callers(), [caller], "the callee sees who calls, and no gateway");
    let labels = "{direction=\"ingress\",mesh=\"west\",service=\"shop/web:80\"";
    assert_eq!(gateway.metric(&format!("isthmus_gateway_connections_total{labels}}}")).await, 1.0);
    assert_eq!(gateway.open().await, 1.0);
    for way in ["received", "sent"] {
        let bytes = gateway.metric(&format!("isthmus_gateway_bytes_total{labels},way=\"{way}\"}}")).await;
        assert!(bytes > 5e6 && bytes < 6e6, "{way} {bytes}");
    }
    drop(stream);
    eventually("the connection has ended", async || gateway.open().await == 0.0).await;
}

#[tokio::test]
async fn two_gateways_are_passed_as_one() {
    let (east, west) = (Script::start().await, Script::start().await);
    let pod = Pod::start(&west, "callee").await;
    let ingress = Gateway::start(&west, exporting(&[pod.addr])).await;
    let egress = Gateway::start(&east, importing(&[ingress.addr])).await;
    let mut stream = call(egress.addr, &name_in("west"), &west.tls(tls::id("caller").as_str()), &pod.id).await.unwrap();
    soon("an echo", echo(&mut stream, &noise(3 * MIB))).await.unwrap();
    for (gateway, direction) in [(&ingress, "ingress"), (&egress, "egress")] {
        let labels = format!("{{direction=\"{direction}\",mesh=\"west\",service=\"shop/web:80\"}}");
        assert_eq!(gateway.metric(&format!("isthmus_gateway_connections_total{labels}")).await, 1.0);
    }
}

#[tokio::test]
async fn each_side_may_end_alone() {
    for client_first in [true, false] {
        let (_script, gateway, client, server) = joined().await;
        let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
        first.write_all(b"last words").await.unwrap();
        first.shutdown().await.unwrap();
        expect(&mut second, b"last words").await;
        expect_end(&mut second).await;
        // The other side may still speak, for as long as it likes.
        for _ in 0..3 {
            second.write_all(&noise(MIB)[..]).await.unwrap();
            expect(&mut first, &noise(MIB)).await;
        }
        second.shutdown().await.unwrap();
        expect_end(&mut first).await;
        eventually("the connection has ended", async || gateway.open().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    for client_resets in [true, false] {
        let (_script, gateway, mut client, mut server) = joined().await;
        client.write_all(b"a").await.unwrap();
        expect(&mut server, b"a").await;
        let (resetting, mut other) = if client_resets { (client, server) } else { (server, client) };
        reset(resetting);
        expect_reset(&mut other).await;
        eventually("the connection has ended", async || gateway.open().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_reset_after_the_end_of_one_side_is_passed_on() {
    for client_resets in [true, false] {
        let (_script, gateway, client, server) = joined().await;
        let (mut resetting, mut other) = if client_resets { (client, server) } else { (server, client) };
        resetting.shutdown().await.unwrap();
        expect_end(&mut other).await;
        reset(resetting);
        // Nothing more is read of the one that has ended; its reset is noticed all the same.
        eventually("the connection has ended", async || gateway.open().await == 0.0).await;
        let error = soon("a reset", async {
            loop {
                if let Err(error) = other.write_all(b"more").await {
                    return error;
                }
            }
        });
        error.await;
    }
}

#[tokio::test]
async fn a_side_that_does_not_read_holds_the_other_back() {
    for client_sends in [true, false] {
        let (_script, gateway, client, server) = joined().await;
        let (mut sender, mut reader) = if client_sends { (client, server) } else { (server, client) };
        let all = noise(64 * MIB);
        // It fills what the kernel and the gateway hold, and no more.
        let mut sent = 0;
        while let Ok(Ok(n)) = tokio::time::timeout(Duration::from_millis(500), sender.write(&all[sent..])).await {
            sent += n;
        }
        assert!(sent < 48 * MIB, "{sent} bytes were taken that nobody reads");
        let way = if client_sends { "received" } else { "sent" };
        let labels = "{direction=\"ingress\",mesh=\"west\",service=\"shop/web:80\"";
        let through = gateway.metric(&format!("isthmus_gateway_bytes_total{labels},way=\"{way}\"}}")).await;
        assert!(through <= sent as f64 + 1e4, "{through} {sent}");
        // And nothing of it is lost.
        let rest = all[sent..].to_vec();
        let sending = tokio::spawn(async move {
            sender.write_all(&rest).await.unwrap();
            sender.shutdown().await.unwrap();
            sender
        });
        let mut read = Vec::with_capacity(all.len());
        soon("all bytes", reader.read_to_end(&mut read)).await.unwrap();
        assert!(read == all, "other bytes than were sent");
        drop(sending.await.unwrap());
    }
}

#[tokio::test]
async fn many_connections_share_a_worker() {
    let script = Script::start().await;
    let pod = Pod::start(&script, "callee").await;
    let gateway = Gateway::start_with(&script, exporting(&[pod.addr]), |config| config.workers = 2).await;
    let tls = script.tls(tls::id("caller").as_str());
    let one = async |n: usize| {
        let mut stream = call(gateway.addr, &name_in("west"), &tls, &pod.id).await.unwrap();
        echo(&mut stream, &noise(MIB + n)).await.unwrap();
    };
    soon("all echoes", futures::future::join_all((0..20).map(one))).await;
    assert_eq!(pod.callers().len(), 20);
}

#[tokio::test]
async fn a_dead_pod_is_passed_over() {
    let script = Script::start().await;
    let pod = Pod::start(&script, "callee").await;
    let gateway =
        Gateway::start(&script, exporting(&[(address(), 8080).into(), pod.addr, (address(), 8080).into()])).await;
    let tls = script.tls(tls::id("caller").as_str());
    for _ in 0..10 {
        let mut stream = call(gateway.addr, &name_in("west"), &tls, &pod.id).await.unwrap();
        echo(&mut stream, b"hello").await.unwrap();
    }
    let labels = "{direction=\"ingress\",mesh=\"west\",service=\"shop/web:80\"}";
    let failures = gateway.metric(&format!("isthmus_gateway_dial_failures_total{labels}")).await;
    assert!(failures <= 4.0, "{failures}: what can't be connected to isn't tried again and again");
}

#[tokio::test]
async fn the_pod_of_a_token_is_the_only_one() {
    let script = Script::start().await;
    let (one, other) = (Pod::start(&script, "one").await, Pod::start(&script, "other").await);
    let gateway = Gateway::start(&script, exporting(&[one.addr, (address(), 8080).into(), other.addr])).await;
    let tls = script.tls(tls::id("caller").as_str());
    for (token, pod) in [("a", &one), ("c", &other), ("a", &one)] {
        let name = format!("{token}.{}", name_in("west"));
        let mut stream = call(gateway.addr, &name, &tls, &pod.id).await.unwrap();
        echo(&mut stream, b"hello").await.unwrap();
    }
    // That pod is dead: the caller is to know, and to choose another.
    let mut client = say(gateway.addr, &hello(&format!("b.{}", name_in("west")))).await;
    expect_reset(&mut client).await;
    eventually("counted", async || gateway.refused("unreached").await == 1.0).await;
}
