//! Who may do what at the callee (smi.md §1.1, §5 A4, A5, A19, A20, A25, A34).

use std::collections::BTreeSet;

use http::StatusCode;
use isthmus_api::encode::inbound_key;
use isthmus_core::inbound::{Exemptions, HttpScope, InboundPolicy, PolicyMode, PortSet};
use isthmus_identity::MeshTls;
use tokio::net::TcpStream;

use crate::support::{
    app,
    client::{self, Talk, field},
    control::Script,
    mesh::{Pod, Spec, allow, deny, granting, id, path},
};

const H1: &str = "isthmus-http/1.1";
const TCP: &str = "isthmus-tcp";

/// A callee with an HTTP application on 8080 and a TCP echo on 9000.
struct Callee {
    script: Script,
    pod: Pod,
    client: MeshTls,
}

impl Callee {
    async fn start(policy: InboundPolicy) -> Self {
        let script = Script::start().await;
        script.set_policy("callee", policy);
        let pod = Pod::start(&script, "callee", &[8080, 9000], &[]).await;
        app::http((pod.app, 8080).into(), "app").await;
        app::echo((pod.app, 9000).into()).await;
        Self { client: script.tls(id("caller").as_str()), script, pod }
    }

    async fn get(&self, path: &str) -> http::Response<hyper::body::Incoming> {
        let addr = (self.pod.ip, 8080).into();
        let stream = client::mesh_tls(addr, &self.client, H1, &self.pod.id).await.unwrap();
        client::get_over(stream, path).await.unwrap()
    }

    async fn talk(&self) -> Talk<tokio_rustls::client::TlsStream<TcpStream>> {
        let addr = (self.pod.ip, 9000).into();
        Talk::over(client::mesh_tls(addr, &self.client, TCP, &self.pod.id).await.unwrap())
    }

    async fn set(&self, policy: InboundPolicy) {
        self.script.set_policy("callee", policy);
        self.script.acknowledged("callee", &inbound_key()).await;
    }

    /// The status and deny code of a GET in plaintext.
    async fn plain(&self, path: &str) -> (StatusCode, String) {
        let response = client::get((self.pod.ip, 8080).into(), path).await.unwrap();
        (response.status(), field(&response, "x-isthmus-deny"))
    }
}

#[tokio::test]
async fn each_denial_has_its_code() {
    let callee = Callee::start(deny()).await;
    let only_9000 = PortSet::Only(BTreeSet::from([9000]));
    let orders = HttpScope::Only(vec![path("/orders")]);
    for (policy, code) in [
        (deny(), "no-grant"),
        (allow(&[&id("other")]), "no-grant"),
        (granting(&[&id("caller")], only_9000, HttpScope::Opaque), "port"),
        (granting(&[&id("caller")], PortSet::All, orders.clone()), "route"),
    ] {
        callee.set(policy).await;
        let response = callee.get("/").await;
        assert_eq!((response.status(), field(&response, "x-isthmus-deny")), (StatusCode::FORBIDDEN, code.into()));
        assert!(client::text(response).await.contains(code));
    }
    assert_eq!(client::text(callee.get("/orders/7").await).await, "app");
    assert_eq!(callee.plain("/orders").await, (StatusCode::FORBIDDEN, "no-identity".into()));
    assert!(callee.pod.metric("isthmus_denied_total{code=\"no-grant\",protocol=\"http\"}").await >= 2.0);
}

#[tokio::test]
async fn until_the_policy_has_come_nothing_is_allowed() {
    let script = Script::start().await;
    let pod = Pod::launch(&script, Spec { name: "callee", ports: &[8080], calls: &[], edit: |_| {} });
    app::http((pod.app, 8080).into(), "app").await;
    let tls = script.tls(id("caller").as_str());
    crate::support::eventually("a certificate", async || {
        client::mesh_tls((pod.ip, 8080).into(), &tls, H1, &pod.id).await.is_ok()
    })
    .await;
    assert_eq!(client::get(pod.admin, "/ready").await.unwrap().status(), 503);
    let stream = client::mesh_tls((pod.ip, 8080).into(), &tls, H1, &pod.id).await.unwrap();
    let response = client::get_over(stream, "/").await.unwrap();
    assert_eq!(field(&response, "x-isthmus-deny"), "policy-pending");
    script.set_policy("callee", allow(&[&id("caller")]));
    pod.ready().await;
    let stream = client::mesh_tls((pod.ip, 8080).into(), &tls, H1, &pod.id).await.unwrap();
    assert_eq!(client::get_over(stream, "/").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_denied_tcp_connection_cut_by_reset() {
    let callee = Callee::start(granting(&[&id("caller")], PortSet::All, HttpScope::Only(Vec::new()))).await;
    assert!(callee.talk().await.cut_by_reset().await);
    assert!(callee.pod.metric("isthmus_denied_total{code=\"route\",protocol=\"tcp\"}").await >= 1.0);
}

#[tokio::test]
async fn a34_a_revoked_grant_closes_live_connections() {
    let callee = Callee::start(allow(&[&id("caller"), &id("other")])).await;
    let mut talk = callee.talk().await;
    assert_eq!(talk.ask("hello").await, "hello");
    let http = client::mesh_tls((callee.pod.ip, 8080).into(), &callee.client, H1, &callee.pod.id).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(http)).await.unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(sender.send_request(client::request("/")).await.unwrap().status(), 200);
    // A change that leaves the grant leaves the connections.
    callee.set(allow(&[&id("caller")])).await;
    assert_eq!(talk.ask("still there?").await, "still there?");
    assert!(!sender.is_closed());
    callee.set(allow(&[&id("other")])).await;
    assert!(talk.cut_by_reset().await);
    let _ = crate::support::soon("the end of the HTTP connection", connection).await;
    assert!(sender.is_closed());
    assert!(callee.pod.metric("isthmus_revoked_connections_total{code=\"no-grant\"}").await >= 2.0);
}

#[tokio::test]
async fn audit_and_permissive_let_through() {
    let callee = Callee::start(InboundPolicy { mode: PolicyMode::Audit, ..deny() }).await;
    assert_eq!(callee.get("/").await.status(), 200);
    assert_eq!(callee.plain("/").await.0, 200);
    assert_eq!(callee.talk().await.ask("x").await, "x");
    assert!(callee.pod.metric("isthmus_audited_total{code=\"no-grant\"}").await >= 2.0);
    assert!(callee.pod.metric("isthmus_audited_total{code=\"no-identity\"}").await >= 1.0);
    callee.set(InboundPolicy { mode: PolicyMode::Permissive, ..deny() }).await;
    assert_eq!(callee.plain("/").await.0, 200);
}

#[tokio::test]
async fn plaintext_is_refused_in_enforce_unless_exempted() {
    let callee = Callee::start(allow(&[&id("caller")])).await;
    assert_eq!(callee.plain("/").await, (StatusCode::FORBIDDEN, "no-identity".into()));
    let mut talk = Talk::open((callee.pod.ip, 9000).into()).await;
    talk.say("hello").await;
    assert!(talk.cut_by_reset().await);
    let exempt = Exemptions { ports: [8080, 9000].into(), ..Exemptions::default() };
    callee.set(InboundPolicy { exempt, ..deny() }).await;
    assert_eq!(callee.plain("/").await.0, 200);
    assert_eq!(Talk::open((callee.pod.ip, 9000).into()).await.ask("hello").await, "hello");
    let exempt = Exemptions { sources: vec!["127.0.0.0/8".parse().unwrap()], ..Exemptions::default() };
    callee.set(InboundPolicy { exempt, ..deny() }).await;
    assert_eq!(callee.plain("/").await.0, 200);
}

#[tokio::test]
async fn the_kubelets_declared_probe_is_let_in_and_nothing_else() {
    let probes = vec![(8080, Some("/healthz".into()))];
    let exempt = Exemptions { node: vec!["127.0.0.1".parse().unwrap()], probes, ..Exemptions::default() };
    let callee = Callee::start(InboundPolicy { exempt, ..deny() }).await;
    assert_eq!(callee.plain("/healthz").await.0, 200);
    assert_eq!(callee.plain("/secrets").await, (StatusCode::FORBIDDEN, "no-identity".into()));
    // Nor is a probe anybody's traffic.
    let counted =
        async |class: &str| callee.pod.counted(&format!("isthmus_inbound_requests_total{{class=\"{class}\"}}")).await;
    crate::support::eventually("the other is counted", async || counted("4xx").await == 1.0).await;
    assert_eq!(counted("2xx").await, 0.0);
}

#[tokio::test]
async fn the_callee_sees_the_callers_identity_and_no_spoofed_one() {
    let callee = Callee::start(InboundPolicy { mode: PolicyMode::Permissive, ..deny() }).await;
    let spoof = "spiffe://isthmus.local/ns/shop/sa/admin";
    let mut request = client::request("/headers");
    request.headers_mut().insert("x-isthmus-client-id", spoof.parse().unwrap());
    let plain = client::send((callee.pod.ip, 8080).into(), request).await.unwrap();
    assert!(!client::text(plain).await.contains("x-isthmus-client-id"));
    let seen = client::text(callee.get("/headers").await).await;
    assert!(seen.contains(&format!("x-isthmus-client-id: {}\n", id("caller"))), "{seen}");
}

#[tokio::test]
async fn a_denied_grpc_call_gets_a_grpc_status() {
    let callee = Callee::start(InboundPolicy { exempt: Exemptions::default(), ..deny() }).await;
    let mut request = client::request("/shop.Orders/Get");
    request.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
    let response = client::send((callee.pod.ip, 8080).into(), request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        (field(&response, "grpc-status"), field(&response, "x-isthmus-deny")),
        ("7".into(), "no-identity".into())
    );
}

#[tokio::test]
async fn the_inbound_port_itself_serves_nobody() {
    let callee = Callee::start(InboundPolicy { mode: PolicyMode::Permissive, ..deny() }).await;
    let words = "GET / HTTP/1.1\r\nhost: a\r\n\r";
    assert!(Talk::is_refused((callee.pod.ip, 15006).into(), words).await);
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let public = HttpScope::Only(vec![path("/public")]);
    let callee = Callee::start(granting(&[&id("caller")], PortSet::All, public)).await;
    assert_eq!(callee.get("/public/a").await.status(), 200);
    for path in ["/public/../admin", "/public/%2e%2e/admin", "/public/..;/admin"] {
        let response = callee.get(path).await;
        assert_eq!(
            (response.status().as_u16(), field(&response, "x-isthmus-error")),
            (400, "bad-request".into()),
            "{path}"
        );
    }
    let addr = (callee.pod.ip, 8080).into();
    let stream = client::mesh_tls(addr, &callee.client, H1, &callee.pod.id).await.unwrap();
    let mut talk = Talk::over(stream);
    talk.say("GET /public HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r").await;
    assert!(talk.line().await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_mesh_peer_that_is_slow_to_begin_is_still_a_mesh_peer() {
    let callee = Callee::start(allow(&[&id("caller")])).await;
    for mode in [PolicyMode::Enforce, PolicyMode::Permissive] {
        callee.set(InboundPolicy { mode, ..allow(&[&id("caller")]) }).await;
        let stream = TcpStream::connect((callee.pod.ip, 8080)).await.unwrap();
        // Longer than the sidecar waits before it thinks of a server that speaks first.
        tokio::time::sleep(isthmus_proxy::limits::DETECT_SILENCE * 5).await;
        let config = callee.client.client_config(&[H1.as_bytes()], callee.pod.id.clone()).unwrap();
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = connector.connect("a.b".try_into().unwrap(), stream).await.unwrap();
        let seen = client::text(client::get_over(stream, "/headers").await.unwrap()).await;
        assert!(seen.contains("x-isthmus-client-id"), "{mode:?}: {seen}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_by_plaintext_clients_where_they_are_allowed() {
    let exempt = Exemptions { ports: [9001].into(), ..Exemptions::default() };
    let script = Script::start().await;
    script.set_policy("greeter", InboundPolicy { exempt, ..deny() });
    let pod = Pod::start(&script, "greeter", &[9001], &[]).await;
    app::greeter((pod.app, 9001).into(), "welcome\n").await;
    let mut talk = Talk::open((pod.ip, 9001).into()).await;
    assert_eq!(talk.line().await, "welcome");
    assert_eq!(talk.ask("hello").await, "hello");
}

#[tokio::test]
async fn an_application_that_does_not_listen_is_named() {
    let script = Script::start().await;
    script.set_policy("absent", InboundPolicy { mode: PolicyMode::Permissive, ..deny() });
    let pod = Pod::start(&script, "absent", &[8080], &[]).await;
    let response = client::get((pod.ip, 8080).into(), "/").await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (503, "app-unreachable".into()));
}
