//! Opaque TCP: ends, resets and families.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
};

use isthmus_proxy::OriginalDestination;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{PORT, Pair, Stage};
use crate::support::{
    app,
    control::Script,
    mesh::{Pod, Spec, allow, id, service},
    soon,
};

/// A connection through the mesh: the client's end and the application's, after the first byte.
async fn joined(pair: &Pair, stage: &mut Stage) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(pair.caller.call(0)).await.unwrap();
    client.write_all(b"\0").await.unwrap();
    let mut app = stage.tcp().await;
    assert_eq!(soon("the first byte", app.read_u8()).await.unwrap(), 0);
    (client, app)
}

async fn rest(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    soon("the end", stream.read_to_end(&mut bytes)).await.map(|_| bytes)
}

#[tokio::test]
async fn the_end_of_one_side_leaves_the_other_open() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    for client_first in [true, false] {
        let (client, app) = joined(&pair, &mut stage).await;
        let (mut first, mut last) = if client_first { (client, app) } else { (app, client) };
        first.write_all(b"my last words").await.unwrap();
        first.shutdown().await.unwrap();
        assert_eq!(rest(&mut last).await.unwrap(), b"my last words");
        // Much more than the buffers between hold.
        let much: Vec<u8> = (0..8_000_000_u32).map(|n| n as u8).collect();
        let write = async {
            last.write_all(&much).await.unwrap();
            last.shutdown().await.unwrap();
        };
        let ((), heard) = tokio::join!(write, rest(&mut first));
        assert!(heard.unwrap() == much, "client first: {client_first}");
    }
}

#[tokio::test]
async fn what_was_said_before_the_end_is_heard_even_when_it_came_with_it() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    for _ in 0..50 {
        let (mut client, mut app) = joined(&pair, &mut stage).await;
        let words = [7; 3000];
        app.write_all(&words).await.unwrap();
        drop(app);
        assert_eq!(rest(&mut client).await.unwrap(), words);
    }
}

#[tokio::test]
async fn a_reset_is_passed_on_as_one() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    for client_first in [true, false] {
        let (client, app) = joined(&pair, &mut stage).await;
        let (first, mut last) = if client_first { (client, app) } else { (app, client) };
        first.set_zero_linger().unwrap();
        drop(first);
        assert_eq!(rest(&mut last).await.unwrap_err().kind(), ErrorKind::ConnectionReset, "{client_first}");
    }
}

/// The pod's listeners at `::1`: to the application for the inbound one, to a Service for the outbound one.
#[derive(Debug)]
struct Sixth {
    inner: Arc<dyn OriginalDestination>,
}

/// Ports of one's own at `::1`, which tests of other processes share.
fn sixth(n: u16) -> SocketAddr {
    let process = u16::try_from(std::process::id() % 2000).unwrap();
    SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), 20_000 + process * 4 + n)
}

const VIP: &str = "fd00:43::7";

impl OriginalDestination for Sixth {
    fn of(&self, stream: &TcpStream) -> io::Result<Option<SocketAddr>> {
        let local = stream.local_addr()?;
        match local {
            _ if local == sixth(0) => Ok(Some(sixth(1))),
            _ if local == sixth(2) => Ok(Some(SocketAddr::new(VIP.parse().unwrap(), 80))),
            _ => self.inner.of(stream),
        }
    }
}

#[tokio::test]
async fn ipv6_all_the_way() {
    let script = Script::start().await;
    script.set_policy("callee", allow(&[&id("caller")]));
    script.set_policy("caller", allow(&[]));
    let callee = Pod::launch(
        &script,
        Spec {
            name: "callee",
            ports: &[],
            calls: &[],
            edit: |config| {
                config.inbound.push(sixth(0));
                config.original = Arc::new(Sixth { inner: Arc::clone(&config.original) });
            },
        },
    );
    let caller = Pod::launch(
        &script,
        Spec {
            name: "caller",
            ports: &[],
            calls: &[],
            edit: |config| {
                config.outbound.push(sixth(2));
                config.original = Arc::new(Sixth { inner: Arc::clone(&config.original) });
            },
        },
    );
    callee.ready().await;
    caller.ready().await;
    app::http(sixth(1), "six").await;
    let mut endpoint = callee.endpoint(80);
    endpoint.addr = sixth(0);
    script.set_destination(VIP, 80, service(&[endpoint], None));
    let bodies = crate::support::client::many(sixth(2), "/", 3).await;
    assert_eq!(bodies, ["200 six"; 3]);
    // By its address in explicit mode, too.
    let request = http::Request::get(format!("http://[{VIP}]/headers")).body(Default::default()).unwrap();
    let answer = crate::support::client::send(caller.explicit(), request).await.unwrap();
    let text = crate::support::client::text(answer).await;
    assert!(text.contains(&format!("host: [{VIP}]\n")), "{text}");
    assert!(text.contains("x-isthmus-client-id: spiffe://isthmus.local/ns/shop/sa/caller\n"), "{text}");
    let handshakes = callee.metric("isthmus_tls_handshakes_total{direction=\"inbound\",outcome=\"ok\"}").await;
    assert!(handshakes >= 1.0, "mesh TLS was spoken");
}
