//! Beginning, losing the controller, and ending.

use std::time::{Duration, Instant};

use isthmus_api::{
    control::v1::{ControllerMessage, ExportedPort, GatewayRoutes, controller_message::Content},
    encode::gateway_key,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    control::Script,
    eventually,
    gateway::{Gateway, POD, exporting, name_in},
    raw::{Listener, expect, expect_end, expect_reset, hello, say},
    soon,
};

#[tokio::test]
async fn it_is_ready_when_the_routes_have_come() {
    let script = Script::start().await;
    let gateway = Gateway::launch(&script, |_| {});
    eventually("certified", async || script.root_of(POD).is_some()).await;
    let answer = gateway.get("/ready").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("routes"), "{answer}");
    let mut client = say(gateway.addr, &hello(&name_in("west"))).await;
    expect_reset(&mut client).await;
    eventually("counted", async || gateway.refused("no-routes").await == 1.0).await;
    script.set_routes(exporting(&[]));
    gateway.ready().await;
    let keys: Vec<_> = script.subscriptions(POD).into_iter().map(|s| s.key.unwrap()).collect();
    assert_eq!(keys, [isthmus_api::encode::bundles_key(), gateway_key()], "and it asks for nothing else");
    let shown = gateway.get("/config").await.unwrap();
    assert!(shown.contains("shop/web:80") && !shown.contains("PRIVATE"), "{shown}");
}

#[tokio::test]
async fn without_the_controller_it_goes_on_as_it_was() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start(&script, exporting(&[pod.addr()])).await;
    let bytes = hello(&name_in("west"));
    let (mut client, mut server) = (say(gateway.addr, &bytes).await, pod.accept(&bytes).await);
    script.stop();
    eventually("lost", async || gateway.metric("isthmus_control_connected ").await == 0.0).await;
    client.write_all(b"open").await.unwrap();
    expect(&mut server, b"open").await;
    let bytes = hello(&name_in("west"));
    let _new = say(gateway.addr, &bytes).await;
    pod.accept(&bytes).await;
    // It comes back, and hears which version is held.
    script.resume().await;
    eventually("found again", async || gateway.metric("isthmus_control_connected ").await == 1.0).await;
    eventually("subscribed anew", async || script.subscriptions(POD).len() == 4).await;
    assert!(script.subscriptions(POD)[3].held.len() > 8, "with what is held");
    let other = Listener::new().await;
    script.set_routes(exporting(&[other.addr()]));
    script.acknowledged(POD, &gateway_key()).await;
    let bytes = hello(&name_in("west"));
    let _new = say(gateway.addr, &bytes).await;
    other.accept(&bytes).await;
}

#[tokio::test]
async fn one_that_starts_without_the_controller_goes_on_with_its_last_routes() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes");
    let gateway =
        Gateway::start_with(&script, exporting(&[pod.addr()]), |config| config.routes_file = Some(file.clone())).await;
    script.acknowledged(POD, &gateway_key()).await;
    drop(gateway);
    script.stop();
    let gateway = Gateway::launch(&script, |config| config.routes_file = Some(file));
    gateway.ready().await;
    let bytes = hello(&name_in("west"));
    let _client = say(gateway.addr, &bytes).await;
    pod.accept(&bytes).await;
    // What has changed meanwhile counts as soon as it is known.
    script.set_routes(isthmus_core::gateway::Routes::none("west".parse().unwrap()));
    script.resume().await;
    eventually("cut", async || gateway.cut("revoked").await == 1.0).await;
}

#[tokio::test]
async fn routes_that_cannot_be_read_are_refused_and_the_last_good_stay() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start(&script, exporting(&[pod.addr()])).await;
    let bad = GatewayRoutes {
        mesh: "west".into(),
        exported: vec![ExportedPort { service: None, targets: Vec::new() }],
        peers: Vec::new(),
    };
    let message =
        ControllerMessage { key: Some(gateway_key()), version: "bad".into(), content: Some(Content::Gateway(bad)) };
    script.send_raw(POD, message);
    eventually("refused", async || script.refusals(POD).iter().any(|r| r.version == "bad")).await;
    let bytes = hello(&name_in("west"));
    let _client = say(gateway.addr, &bytes).await;
    pod.accept(&bytes).await;
}

#[tokio::test]
async fn it_ends_when_its_connections_have() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let mut gateway =
        Gateway::start_with(&script, exporting(&[pod.addr()]), |c| c.bounds.leave = Duration::from_secs(8)).await;
    let bytes = hello(&name_in("west"));
    let (mut client, mut server) = (say(gateway.addr, &bytes).await, pod.accept(&bytes).await);
    gateway.shutdown.cancel();
    // Not ready at once; who hasn't heard of it yet is still served.
    eventually("not ready", async || gateway.get("/ready").await.is_some_and(|a| a.contains(" 503 "))).await;
    let hello = hello(&name_in("west"));
    let late = say(gateway.addr, &hello).await;
    let late = (late, pod.accept(&hello).await);
    eventually("no more are taken", async || TcpStream::connect(gateway.addr).await.is_err()).await;
    client.write_all(b"still here").await.unwrap();
    expect(&mut server, b"still here").await;
    client.shutdown().await.unwrap();
    expect_end(&mut server).await;
    drop((client, server, late));
    soon("the end", &mut gateway.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_open_at_the_end_of_the_drain_time_is_reset() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let mut gateway = Gateway::start_with(&script, exporting(&[pod.addr()]), |config| {
        config.bounds.leave = Duration::from_millis(10);
        config.bounds.drain = Duration::from_millis(700);
    })
    .await;
    let bytes = hello(&name_in("west"));
    let (mut client, mut server) = (say(gateway.addr, &bytes).await, pod.accept(&bytes).await);
    let begun = Instant::now();
    gateway.shutdown.cancel();
    expect_reset(&mut client).await;
    expect_reset(&mut server).await;
    assert!(begun.elapsed() >= Duration::from_millis(690), "{:?}", begun.elapsed());
    soon("the end", &mut gateway.running).await.unwrap().unwrap();
}
