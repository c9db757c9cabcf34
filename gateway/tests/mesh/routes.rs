//! What may be relayed, and what no longer may.

use isthmus_core::gateway::Routes;
use tokio::io::AsyncWriteExt;

use crate::support::{
    address,
    control::Script,
    eventually,
    gateway::{Gateway, exporting, importing, mesh, name_in, web},
    raw::{Listener, expect, expect_reset, hello, say},
};

#[tokio::test]
async fn only_what_is_exported_or_imported_is_relayed() {
    let script = Script::start().await;
    let mut routes = exporting(&[(address(), 8080).into()]);
    routes.exported.insert((isthmus_core::id::ObjectName::new("shop", "empty"), 80), Vec::new());
    routes.peers = importing(&[(address(), 15443).into()]).peers;
    let egress = routes.peers.remove(&mesh("west")).unwrap();
    routes.peers.insert(mesh("north"), egress);
    let gateway = Gateway::start(&script, routes).await;
    for (reason, name) in [
        ("not-exported", "p80.other.shop.svc.west.mesh"),
        ("not-exported", "p80.web.bank.svc.west.mesh"),
        ("not-exported", "p81.web.shop.svc.west.mesh"),
        ("not-exported", "a.p80.other.shop.svc.west.mesh"),
        ("unknown-token", "z.p80.web.shop.svc.west.mesh"),
        ("no-endpoint", "p80.empty.shop.svc.west.mesh"),
        ("unknown-mesh", "p80.web.shop.svc.south.mesh"),
        ("not-imported", "p80.other.shop.svc.north.mesh"),
        ("unreached", "p80.web.shop.svc.north.mesh"),
    ] {
        let before = gateway.refused(reason).await;
        let mut client = say(gateway.addr, &hello(name)).await;
        assert_eq!(expect_reset(&mut client).await, b"", "{name}");
        eventually(name, async || gateway.refused(reason).await == before + 1.0).await;
    }
}

#[tokio::test]
async fn what_is_no_longer_exported_is_cut() {
    let script = Script::start().await;
    let pod = Listener::new().await;
    let gateway = Gateway::start(&script, exporting(&[pod.addr()])).await;
    let bytes = hello(&name_in("west"));
    let (mut client, mut server) = (say(gateway.addr, &bytes).await, pod.accept(&bytes).await);
    // A pod that is gone from the routes isn't a revocation: what is open may end by itself.
    script.set_routes(exporting(&[]));
    script.acknowledged(crate::support::gateway::POD, &isthmus_api::encode::gateway_key()).await;
    client.write_all(b"still").await.unwrap();
    expect(&mut server, b"still").await;
    script.set_routes(Routes::none(mesh("west")));
    expect_reset(&mut client).await;
    expect_reset(&mut server).await;
    eventually("counted", async || gateway.cut("revoked").await == 1.0).await;
    eventually("told", async || script.cut(crate::support::gateway::POD, &isthmus_api::encode::gateway_key()) == 1)
        .await;
    // Back again, and not as before: what is waited for is the acknowledgement of this.
    script.set_routes(exporting(&[pod.addr(), pod.addr()]));
    script.acknowledged(crate::support::gateway::POD, &isthmus_api::encode::gateway_key()).await;
    let bytes = hello(&name_in("west"));
    let mut client = say(gateway.addr, &bytes).await;
    pod.accept(&bytes).await.write_all(b"again").await.unwrap();
    expect(&mut client, b"again").await;
}

#[tokio::test]
async fn what_is_no_longer_imported_is_cut() {
    let script = Script::start().await;
    let next = Listener::new().await;
    let gateway = Gateway::start(&script, importing(&[next.addr()])).await;
    let bytes = hello(&name_in("west"));
    let (mut client, mut server) = (say(gateway.addr, &bytes).await, next.accept(&bytes).await);
    let mut routes = importing(&[next.addr()]);
    routes.peers.get_mut(&mesh("west")).unwrap()[0].services.remove(&web());
    script.set_routes(routes);
    expect_reset(&mut client).await;
    expect_reset(&mut server).await;
}

#[tokio::test]
async fn others_do_not_leave_by_this_gateway() {
    let script = Script::start().await;
    let (next, pod) = (Listener::new().await, Listener::new().await);
    let mut routes = importing(&[next.addr()]);
    routes.exported = exporting(&[pod.addr()]).exported;
    let inside = address();
    let edit =
        |config: &mut isthmus_gateway::Config| config.egress_from = vec![format!("{inside}/32").parse().unwrap()];
    let gateway = Gateway::start_with(&script, routes, edit).await;
    let mut outsider = say(gateway.addr, &hello(&name_in("west"))).await;
    expect_reset(&mut outsider).await;
    eventually("counted", async || gateway.refused("outsider").await == 1.0).await;
    // It may come in all the same, and whoever is inside may leave.
    let bytes = hello(&name_in("east"));
    let _outsider = say(gateway.addr, &bytes).await;
    pod.accept(&bytes).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((inside, 0).into()).unwrap();
    let mut insider = socket.connect(gateway.addr).await.unwrap();
    let bytes = hello(&name_in("west"));
    insider.write_all(&bytes).await.unwrap();
    next.accept(&bytes).await;
}

#[tokio::test]
async fn gateways_that_lead_to_each_other_are_no_loop() {
    let script = Script::start().await;
    let gateway = Gateway::start_with(&script, importing(&[]), |config| config.workers = 2).await;
    // A mesh that gives this gateway's address for its own.
    script.set_routes(importing(&[gateway.addr]));
    script.acknowledged(crate::support::gateway::POD, &isthmus_api::encode::gateway_key()).await;
    let mut client = say(gateway.addr, &hello(&name_in("west"))).await;
    expect_reset(&mut client).await;
    eventually("counted", async || gateway.refused("loop").await == 1.0).await;
    eventually("nothing is left of it", async || gateway.open().await == 0.0).await;
}
