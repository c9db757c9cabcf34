//! Many requests at once to an endpoint that has no connection yet.

use std::time::Duration;

use isthmus_core::destination::Endpoint;

use super::{Two, VIP};
use crate::{
    meshes::relay::Relay,
    support::{app, client, mesh::service, soon},
};

const REQUESTS: usize = 200;

#[tokio::test]
async fn a_burst_makes_few_connections_at_a_time_and_each_request_is_answered() {
    let mesh = Two::start().await;
    app::http((mesh.one.app, 8080).into(), "one").await;
    mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.one.endpoint(8080)], None));
    let addr = mesh.caller.call(0);
    let mut answers: tokio::task::JoinSet<_> =
        (0..REQUESTS).map(|_| async move { client::get(addr, "/").await.unwrap().status().as_u16() }).collect();
    while let Some(status) = soon("an answer", answers.join_next()).await {
        assert_eq!(status.unwrap(), 200);
    }
}

/// As over a long way: turns of so many at a time would take the last ones beyond the time to connect.
#[tokio::test]
async fn a_burst_to_an_endpoint_that_is_slow_to_shake_hands_is_answered() {
    let mesh = Two::start().await;
    app::http((mesh.one.app, 8080).into(), "one").await;
    let relay = Relay::start(Duration::from_millis(100)).await;
    relay.route("p80.web.shop.svc.isthmus.mesh", (mesh.one.ip, 8080).into());
    let endpoint = Endpoint { addr: relay.addr, ..mesh.one.endpoint(8080) };
    mesh.script.set_destination(VIP.0, VIP.1, service(&[endpoint], None));
    let addr = mesh.caller.call(0);
    let mut answers: tokio::task::JoinSet<_> =
        (0..REQUESTS).map(|_| async move { client::get(addr, "/").await.unwrap().status().as_u16() }).collect();
    while let Some(status) = soon("an answer", answers.join_next()).await {
        assert_eq!(status.unwrap(), 200);
    }
}
