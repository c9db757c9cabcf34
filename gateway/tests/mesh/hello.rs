//! What clients may begin with.

use std::time::{Duration, Instant};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    control::Script,
    eventually,
    gateway::{Gateway, exporting, name_in},
    raw::{self, Listener, expect, expect_reset, fragmented, hello, hello_with, say, with_extension},
    soon,
};

async fn gateway() -> (Script, Listener, Gateway) {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start(&script, exporting(&[pod.addr()])).await;
    (script, pod, gateway)
}

/// The pod hears exactly what the client said, and they talk.
async fn is_relayed(pod: &Listener, client: &mut TcpStream, said: &[u8]) {
    let mut server = pod.accept(said).await;
    server.write_all(b"pong").await.unwrap();
    expect(client, b"pong").await;
    client.write_all(b"ping").await.unwrap();
    expect(&mut server, b"ping").await;
}

#[tokio::test]
async fn hellos_in_pieces_are_read() {
    let (_script, pod, gateway) = gateway().await;
    let whole = hello(&name_in("west"));
    for bytes in [whole.clone(), fragmented(&whole, 100), fragmented(&whole, 1)] {
        // Packets that end anywhere; one byte a packet at the beginning, where it is told what this is.
        let mut client = TcpStream::connect(gateway.addr).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (head, rest) = bytes.split_at(12);
        for byte in head {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        for part in rest.chunks(97) {
            client.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        is_relayed(&pod, &mut client, &bytes).await;
    }
}

#[tokio::test]
async fn what_follows_the_hello_at_once_is_passed_on_too() {
    let (_script, pod, gateway) = gateway().await;
    let bytes = [hello(&name_in("west")), b"early data".repeat(200)].concat();
    let mut client = say(gateway.addr, &bytes).await;
    is_relayed(&pod, &mut client, &bytes).await;
}

#[tokio::test]
async fn unknown_extensions_are_passed_over() {
    let (_script, pod, gateway) = gateway().await;
    let plain = hello(&name_in("west"));
    // GREASE (RFC 8701), an encrypted ClientHello (RFC 9849) as browsers grease it, and a large unknown one.
    for (kind, content) in [(0x1a1a, vec![]), (0xfe0d, vec![0; 250]), (0xbeef, vec![7; 9000])] {
        let bytes = with_extension(&plain, kind, &content);
        let mut client = say(gateway.addr, &bytes).await;
        is_relayed(&pod, &mut client, &bytes).await;
    }
}

#[tokio::test]
async fn letters_of_any_case_and_a_token_name_a_pod() {
    let (_script, pod, gateway) = gateway().await;
    for name in [name_in("west").to_uppercase(), format!("a.{}", name_in("west"))] {
        let bytes = hello(&name);
        let mut client = say(gateway.addr, &bytes).await;
        is_relayed(&pod, &mut client, &bytes).await;
    }
}

#[tokio::test]
async fn what_is_not_mesh_tls_is_refused() {
    let (_script, _pod, gateway) = gateway().await;
    let good = hello(&name_in("west"));
    for (reason, bytes) in [
        ("not-tls", b"GET / HTTP/1.1\r\nhost: web\r\n\r\n".to_vec()),
        ("not-tls", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00".to_vec()),
        ("not-tls", [&good[..60], &vec![0xff; good.len() - 60]].concat()),
        ("no-name", hello_with("127.0.0.1", &["isthmus-tcp"])),
        ("bad-name", hello("www.example.com")),
        ("bad-name", hello("web-0.shop.pod.west.mesh")),
        ("bad-name", hello("p080.web.shop.svc.west.mesh")),
        ("protocol", hello_with(&name_in("west"), &["h2", "http/1.1"])),
        ("protocol", hello_with(&name_in("west"), &[])),
    ] {
        let before = gateway.refused(reason).await;
        let mut client = say(gateway.addr, &bytes).await;
        assert_eq!(expect_reset(&mut client).await, b"", "{reason}");
        eventually(reason, async || gateway.refused(reason).await == before + 1.0).await;
    }
}

#[tokio::test]
async fn an_endless_hello_is_refused() {
    let (_script, _pod, gateway) = gateway().await;
    let hello = |more: usize| with_extension(&hello(&name_in("west")), 0xbeef, &vec![7; more]);
    // One that says itself that it is longer than any may be; one that is, with what is round it; one in very many records.
    for (reason, bytes) in [
        ("not-tls", hello(20_000)),
        ("hello-long", hello((16 << 10) + 1 - hello(0).len())),
        ("hello-long", fragmented(&hello(3000), 1)),
    ] {
        let before = gateway.refused(reason).await;
        let mut client = TcpStream::connect(gateway.addr).await.unwrap();
        let _ = client.write_all(&bytes).await;
        expect_reset(&mut client).await;
        eventually(reason, async || gateway.refused(reason).await == before + 1.0).await;
    }
}

#[tokio::test]
async fn a_slow_hello_is_refused() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let routes = exporting(&[pod.addr()]);
    let gateway = Gateway::start_with(&script, routes, |c| c.bounds.hello_time = Duration::from_millis(300)).await;
    let bytes = hello(&name_in("west"));
    // Silence; and a byte now and then, which doesn't buy time.
    let mut silent = TcpStream::connect(gateway.addr).await.unwrap();
    let mut slow = say(gateway.addr, &bytes[..20]).await;
    let begun = Instant::now();
    expect_reset(&mut silent).await;
    let drip = async {
        for byte in &bytes[20..] {
            if slow.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("all of it was taken, in {:?}", begun.elapsed());
    };
    soon("the end of a slow hello", drip).await;
    eventually("both are counted", async || gateway.refused("hello-slow").await == 2.0).await;
}

#[tokio::test]
async fn a_client_that_leaves_is_no_fault() {
    let (_script, _pod, gateway) = gateway().await;
    drop(TcpStream::connect(gateway.addr).await.unwrap());
    drop(say(gateway.addr, &hello(&name_in("west"))[..100]).await);
    raw::reset(say(gateway.addr, b"\x16").await);
    eventually("all are counted", async || gateway.refused("closed").await == 3.0).await;
}
