//! Many requests at once to an endpoint that has no connection yet.

use std::time::Duration;

use tokio::net::TcpListener;

use super::{Two, VIP};
use crate::support::{app, client, eventually, mesh::service, soon};

/// As `proxy/src/limits.rs` has it.
const DIALS: usize = 8;
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

#[tokio::test]
async fn an_endpoint_that_is_slow_to_shake_hands_holds_few_connections() {
    let mesh = Two::start().await;
    // In place of the second pod's sidecar: it takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut endpoint = mesh.two.endpoint(8080);
    endpoint.addr = silent.local_addr().unwrap();
    mesh.script.set_destination(VIP.0, VIP.1, service(&[endpoint], None));
    let addr = mesh.caller.call(0);
    let waiting: tokio::task::JoinSet<_> = (0..REQUESTS).map(|_| client::get(addr, "/")).collect();
    let mut taken = Vec::new();
    while taken.len() < DIALS {
        taken.push(soon("a connection", silent.accept()).await.unwrap());
    }
    // All requests have arrived, and no more connections.
    let open = "isthmus_open_connections{direction=\"outbound\"}";
    eventually("all requests are there", async || mesh.caller.metric(open).await >= REQUESTS as f64).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), silent.accept()).await.is_err());
    drop(waiting);
}
