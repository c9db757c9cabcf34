//! Splits by weight and by match, over mTLS between two sidecars (smi.md §1.5, §5).

use isthmus_api::encode::destination_key;
use isthmus_core::{
    destination::{Destination, DestinationKey},
    http_match::HttpMatch,
};

use crate::support::{
    app, client,
    control::Script,
    mesh::{Pod, allow, backend, header, id, path, service, split},
};

const VIP: (&str, u16) = ("10.43.9.9", 80);

/// A caller, and two versions behind `web` with its own endpoints as a third.
pub struct Canary {
    pub script: Script,
    pub caller: Pod,
    pub v1: Pod,
    pub v2: Pod,
    pub root: Pod,
}

impl Canary {
    pub async fn start() -> Self {
        let script = Script::start().await;
        for pod in ["v1", "v2", "root", "caller"] {
            script.set_policy(pod, allow(&[&id("caller")]));
        }
        let (caller, v1, v2, root) = tokio::join!(
            Pod::start(&script, "caller", &[], &[VIP]),
            Pod::start(&script, "v1", &[8080], &[]),
            Pod::start(&script, "v2", &[8080], &[]),
            Pod::start(&script, "root", &[8080], &[]),
        );
        app::http((v1.app, 8080).into(), "v1").await;
        app::http((v2.app, 8080).into(), "v2").await;
        app::http((root.app, 8080).into(), "root").await;
        Self { script, caller, v1, v2, root }
    }

    /// Splits `web` and waits until the caller has taken it over.
    pub async fn split(&self, matches: Option<Vec<HttpMatch>>, weights: (u32, u32)) {
        let v1 = (backend("v1", 80, &[self.v1.endpoint(8080)]), weights.0);
        let v2 = (backend("v2", 80, &[self.v2.endpoint(8080)]), weights.1);
        self.set(service(&[self.root.endpoint(8080)], Some(split(matches, vec![v1, v2])))).await;
    }

    pub async fn set(&self, destination: Destination) {
        self.script.set_destination(VIP.0, VIP.1, destination);
        // The first use subscribes.
        drop(client::get(self.caller.call(0), "/").await);
        let key = destination_key(&DestinationKey { host: VIP.0.into(), port: VIP.1 });
        self.script.acknowledged("caller", &key).await;
    }
}

#[tokio::test]
async fn one_request_is_split_over_mtls() {
    let mesh = Canary::start().await;
    mesh.split(None, (1, 0)).await;
    let response = client::get(mesh.caller.call(0), "/").await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(client::text(response).await, "v1");
}

#[tokio::test]
async fn vector_one_to_zero_is_exactly_fifty_to_none() {
    let mesh = Canary::start().await;
    mesh.split(None, (1, 0)).await;
    let bodies = client::many(mesh.caller.call(0), "/", 50).await;
    assert_eq!(client::count(&bodies, "200 v1"), 50, "{bodies:?}");
}

#[tokio::test]
async fn seventy_five_to_twenty_five_over_a_hundred_requests() {
    let mesh = Canary::start().await;
    mesh.split(None, (75, 25)).await;
    let bodies = client::many(mesh.caller.call(0), "/", 100).await;
    assert_eq!((client::count(&bodies, "200 v1"), client::count(&bodies, "200 v2")), (75, 25));
}

#[tokio::test]
async fn a8_unmatched_requests_go_to_the_root_and_matched_ones_are_split() {
    let mesh = Canary::start().await;
    mesh.split(Some(vec![header("user-agent", ".*Firefox.*"), path("/beta")]), (0, 100)).await;
    let plain = client::many(mesh.caller.call(0), "/", 10).await;
    assert_eq!(client::count(&plain, "200 root"), 10, "{plain:?}");
    let beta = client::many(mesh.caller.call(0), "/beta/x", 10).await;
    assert_eq!(client::count(&beta, "200 v2"), 10, "{beta:?}");
    let mut request = client::request("/");
    request.headers_mut().insert("user-agent", "Mozilla Firefox/140".parse().unwrap());
    let firefox = client::send(mesh.caller.call(0), request).await.unwrap();
    assert_eq!(client::text(firefox).await, "v2");
}

#[tokio::test]
async fn a9_all_weights_zero_is_the_root() {
    let mesh = Canary::start().await;
    mesh.split(None, (0, 0)).await;
    let bodies = client::many(mesh.caller.call(0), "/", 10).await;
    assert_eq!(client::count(&bodies, "200 root"), 10);
}

#[tokio::test]
async fn a11_a_backend_without_endpoints_keeps_its_share_as_503() {
    let mesh = Canary::start().await;
    let v1 = (backend("v1", 80, &[mesh.v1.endpoint(8080)]), 1);
    let none = (backend("v2", 80, &[]), 1);
    mesh.set(service(&[], Some(split(None, vec![v1, none])))).await;
    let bodies = client::many(mesh.caller.call(0), "/", 20).await;
    assert_eq!(client::count(&bodies, "200 v1"), 10);
    assert_eq!(bodies.iter().filter(|b| b.starts_with("503 ")).count(), 10);
    let mut codes = Vec::new();
    for _ in 0..2 {
        let response = client::get(mesh.caller.call(0), "/").await.unwrap();
        codes.extend(response.headers().get("x-isthmus-error").cloned());
    }
    assert_eq!(codes, ["no-endpoints"]);
}

#[tokio::test]
async fn a34_a_changed_weight_holds_for_the_next_request_of_a_kept_connection() {
    let mesh = Canary::start().await;
    mesh.split(None, (1, 0)).await;
    let mut kept = client::http1(mesh.caller.call(0)).await.unwrap();
    let first = kept.send_request(client::request("/")).await.unwrap();
    assert_eq!(client::text(first).await, "v1");
    mesh.split(None, (0, 1)).await;
    kept.ready().await.unwrap();
    let second = kept.send_request(client::request("/")).await.unwrap();
    assert_eq!(client::text(second).await, "v2");
}

#[tokio::test]
async fn tcp_is_split_by_connection_and_open_connections_stay() {
    let mesh = Canary::start().await;
    app::greeter((mesh.v1.app, 9000).into(), "one\n").await;
    app::greeter((mesh.v2.app, 9000).into(), "two\n").await;
    let endpoints = [mesh.v1.app, mesh.v2.app]
        .map(|app| isthmus_core::destination::Endpoint::local((app, 9000).into(), None, "shop/plain"));
    let weighted = |w1, w2| {
        let v1 = (backend("v1", 80, &endpoints[..1]), w1);
        let v2 = (backend("v2", 80, &endpoints[1..]), w2);
        service(&[], Some(split(None, vec![v1, v2])))
    };
    mesh.set(weighted(3, 1)).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(client::Talk::open(mesh.caller.call(0)).await);
    }
    let mut greetings = Vec::new();
    for talk in &mut open {
        greetings.push(talk.line().await);
    }
    assert_eq!(greetings.iter().filter(|g| *g == "one").count(), 6, "{greetings:?}");
    mesh.set(weighted(0, 1)).await;
    for (talk, greeting) in open.iter_mut().zip(greetings) {
        assert_eq!(talk.ask("still there?").await, "still there?", "{greeting}");
    }
    assert_eq!(client::Talk::open(mesh.caller.call(0)).await.line().await, "two");
}
