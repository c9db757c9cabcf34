//! Two replicas that follow each other over TLS, and who else tries to.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_api::{
    control::v1 as proto,
    listen::{Room, listen},
};
use isthmus_core::{
    id::{ObjectName, SpiffeId, TrustDomain},
    telemetry::tap::{Filter, Tap},
};
use isthmus_identity::{Authority, ClientCerts, MeshTls, SvidCell, TrustStore};
use isthmus_k8s::watch::Change;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::{
    config::NAME,
    fault::{Kind, ObjectRef},
    identity,
    index::{TapAt, TapTarget, Update},
    metrics::Metrics,
    serve::{Hub, InEffect, Registry},
    telemetry::{Direction, Keep, Query, Source, Traffic},
    testing::*,
};

const ROOM: Room = Room { all: 64, each: 64, strangers: 64, stay: HOUR };
const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(20);

/// What both have in common.
struct Mesh {
    authority: Arc<Authority>,
    peer: Value,
    port: u16,
}

struct Running {
    hub: Arc<Hub>,
    parts: Option<Parts>,
    traffic: Arc<Traffic>,
    _stop: DropGuard,
}

fn id(account: &str) -> SpiffeId {
    format!("spiffe://isthmus.local/ns/isthmus-system/sa/{account}").parse().unwrap()
}

fn controller(name: &str, ip: &str) -> Value {
    let pod = with(pod(name, NAME, ip), "/metadata/namespace", json!("isthmus-system"));
    with(with(pod, "/metadata/labels", json!({"app.kubernetes.io/name": NAME})), "/spec/initContainers", json!([]))
}

impl Mesh {
    fn new(port: u16) -> Self {
        let domain = TrustDomain::new("isthmus.local").unwrap();
        let authority = Arc::new(Authority::generate(domain, SystemTime::now(), HOUR).unwrap());
        Self { authority, peer: peer("west"), port }
    }

    fn tls(&self, account: &str) -> MeshTls {
        let cell = Arc::new(SvidCell::new());
        cell.set(identity::issue(&self.authority, &id(account), HOUR).unwrap());
        MeshTls::new(Arc::new(TrustStore::with(&[self.authority.bundle(1)]).unwrap()), cell)
    }

    /// A replica that serves, and knows everything that there is.
    async fn replica(&self, name: &str, listener: TcpListener) -> Running {
        let mut ready = slice(NAME, &[("grpc", 15010)], &[("a", "127.0.0.2"), ("b", "127.0.0.3")]);
        ready["metadata"]["namespace"] = json!("isthmus-system");
        let pods = [controller("a", "127.0.0.2"), controller("b", "127.0.0.3"), pod("web", "web", "10.42.0.20")];
        let index = index_of(pods.into_iter().chain([ready]));
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let mut registry = Registry::new(index, vec![self.authority.bundle(1)]);
        registry.update([applied(self.peer.clone())]);
        let hub = Arc::new(Hub::new(registry, metrics.clone()));
        let (send, updates) = tokio::sync::mpsc::channel(32);
        let follower = hub.clone();
        tokio::spawn(async move { follower.follow(updates).await });
        for update in [
            Update::Service(Change::Synced),
            Update::EndpointSlice(Change::Synced),
            Update::Pod(Change::Synced),
            Update::ServiceAccount(Change::Synced),
            Update::Namespace(Change::Synced),
            Update::Split(Change::Synced),
            Update::Target(Change::Synced),
            Update::Group(Change::Synced),
            Update::TcpRoute(Change::Synced),
            Update::UdpRoute(Change::Synced),
            Update::Binding(Change::Synced),
            Update::Mesh(Change::Synced),
            Update::Peer(Change::Synced),
            Update::Export(Change::Synced),
            Update::Import(Change::Synced),
        ] {
            send.send(update).await.unwrap();
        }
        hub.synced().await;
        let stop = CancellationToken::new();
        let config = self.tls(NAME).server_config(&[b"h2"], ClientCerts::Optional).unwrap();
        let traffic = Arc::new(Traffic::new(hub.clone(), metrics.clone()));
        let server = tonic::transport::Server::builder()
            .add_service(Reporter::server(hub.clone(), id(NAME), traffic.clone(), stop.clone()))
            .serve_with_incoming_shutdown(listen(listener, config, ROOM, stop.clone()), stop.clone().cancelled_owned());
        tokio::spawn(server);
        let parts = Parts {
            hub: hub.clone(),
            tls: self.tls(NAME),
            identity: id(NAME),
            replica: name.to_owned(),
            port: self.port,
            count: metrics.replicas,
        };
        Running { hub, parts: Some(parts), traffic, _stop: stop.drop_guard() }
    }
}

impl Running {
    fn follow(&mut self) -> DropGuard {
        let stop = CancellationToken::new();
        tokio::spawn(follow_others(Arc::new(self.parts.take().unwrap()), stop.clone()));
        stop.drop_guard()
    }

    /// The pod `web` has had so many answers.
    fn told(&self, successes: u64) {
        let edges = vec![proto::Edge { successes, ..Default::default() }];
        self.traffic.take(&ObjectName::new("shop", "web"), proto::Traffic { milliseconds: 100, edges });
    }

    async fn until(&self, what: &str, holds: impl Fn(&InEffect) -> bool) {
        let west = ObjectRef { kind: Kind::MeshPeer, name: ObjectName::new("", "west") };
        let waiting = async {
            while !self.hub.with(|registry| holds(&registry.state_of(&west).unwrap().1)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect(what);
    }
}

#[tokio::test]
async fn replicas_hear_each_other_and_know_when_one_is_silent() {
    let at_a = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let mesh = Mesh::new(at_a.local_addr().unwrap().port());
    let addr_b = SocketAddr::from(([127, 0, 0, 3], mesh.port));
    let mut a = mesh.replica("a", at_a).await;
    let _following = a.follow();
    a.until("b to be waited for", |seen| seen.unknown.is_some()).await;

    let b = mesh.replica("b", TcpListener::bind(addr_b).await.unwrap()).await;
    a.until("b to be heard", InEffect::is_complete).await;
    b.hub.with(|registry| {
        let session = registry.open(ObjectName::new("shop", "web")).0;
        let key = crate::serve::bundles_key();
        registry.subscribe(session, key, String::new()).unwrap();
    });
    a.until("its proxy to be waited for", |seen| seen.behind.as_deref() == Some("shop/web")).await;
    drop(b);
    a.until("b to be silent", |seen| seen.unknown.is_some()).await;

    // It is back, and its proxies aren't there yet: they hold what they held.
    let _b = mesh.replica("b", TcpListener::bind(addr_b).await.unwrap()).await;
    a.until("b to be heard again", |seen| seen.unknown.is_none() && seen.concerned == 1 && seen.programmed == 0).await;
}

#[tokio::test]
async fn what_all_replicas_proxies_told_is_one_answer_and_a_silent_replica_is_named() {
    let at_a = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let mesh = Mesh::new(at_a.local_addr().unwrap().port());
    let mut a = mesh.replica("a", at_a).await;
    let b = mesh.replica("b", TcpListener::bind(SocketAddr::from(([127, 0, 0, 3], mesh.port))).await.unwrap()).await;
    let parts = Arc::new(a.parts.take().unwrap());
    let together = Together::new(a.traffic.clone(), parts.clone());
    let stop = CancellationToken::new();
    let _following = stop.clone().drop_guard();
    tokio::spawn(follow_others(parts, stop));
    let heard = async {
        while !a.hub.with(|registry| registry.replicas().values().any(|replica| replica.heard)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("b to be heard");
    a.told(30);
    b.told(12);
    let ask = async || {
        let keep = Keep { own: true, ..Keep::default() };
        let query = Query { window: Duration::from_secs(60), direction: Direction::Inbound, within: None, keep };
        let answer = Source::observe(&together, query).await.unwrap();
        let successes: f64 = answer.observations.iter().map(|seen| seen.totals.successes).sum();
        (successes, answer.warnings)
    };
    assert_eq!(ask().await, (42.0, Vec::new()));

    // Proxies are sent to it still.
    drop(b);
    let waiting = async {
        loop {
            let (successes, warnings) = ask().await;
            if successes == 30.0 {
                return warnings;
            }
        }
    };
    let warnings = tokio::time::timeout(PATIENCE, waiting).await.expect("b to be silent");
    assert!(matches!(&*warnings, [one] if one.contains("controller replica b didn't answer")), "{warnings:?}");
}

#[tokio::test]
async fn nobody_but_the_controller_is_told_of_traffic_or_taps_through_a_replica() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let mesh = Mesh::new(listener.local_addr().unwrap().port());
    let addr = listener.local_addr().unwrap();
    let mut running = mesh.replica("a", listener).await;
    let parts = Parts { tls: mesh.tls("web"), ..running.parts.take().unwrap() };
    let channel = follow::connect(&parts, addr).await.unwrap();
    let mut client = isthmus_api::replica::v1::replicas_client::ReplicasClient::new(channel);
    let observed = client.observe(isthmus_api::replica::v1::ObserveRequest::default()).await.unwrap_err();
    let tapped = client.tap(isthmus_api::replica::v1::TapRequest::default()).await.unwrap_err();
    assert_eq!([observed.code(), tapped.code()], [tonic::Code::PermissionDenied; 2]);
}

#[tokio::test]
async fn only_the_controller_itself_may_follow() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let mesh = Mesh::new(listener.local_addr().unwrap().port());
    let addr = listener.local_addr().unwrap();
    let mut running = mesh.replica("a", listener).await;
    let parts = Parts { tls: mesh.tls("isthmus-gateway"), ..running.parts.take().unwrap() };
    let (heard, why) = follow::follow(&parts, "a", addr).await;
    assert!(!heard && why.contains("only spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller may"), "{why}");
}

#[tokio::test]
async fn a_tap_sees_the_proxies_of_all_replicas_and_ends_at_all() {
    let at_a = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let mesh = Mesh::new(at_a.local_addr().unwrap().port());
    let addr_b = SocketAddr::from(([127, 0, 0, 3], mesh.port));
    let mut a = mesh.replica("a", at_a).await;
    let parts = Arc::new(a.parts.take().unwrap());
    let web = ObjectName::new("shop", "web");
    let connected = |replica: &Running| {
        let key = crate::serve::taps_key(&web);
        replica.hub.with(|registry| {
            let session = registry.open(web.clone()).0;
            registry.subscribe(session, key, String::new()).unwrap();
        });
    };
    let until = async |what: &str, replica: &Running, ids: &[u64]| {
        let reached = async {
            while replica.hub.taps_at(&web) != ids {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect(what);
    };
    let record = |path: &str| vec![json!({ "path": path }).to_string().into()];

    // It begins while the other is away, to which the pod's proxy is connected then.
    parts.hub.with(|registry| registry.set_replica("a"));
    let tap = Tap { id: 7, filter: Filter::default(), per_second: 10, lasts: HOUR };
    let at = TapAt { namespace: "shop".into(), target: TapTarget::Pod("web".into()), tap };
    let mut tapping = Everywhere::new(parts).tap(at).unwrap();
    assert!(matches!(&*tapping.warnings, [one] if one.contains("controller replica b")), "{:?}", tapping.warnings);
    let b = mesh.replica("b", TcpListener::bind(addr_b).await.unwrap()).await;
    connected(&b);
    until("the tap at b", &b, &[7]).await;
    b.hub.tapped(&web, proto::Tapped { tap: 7, records: record("/b"), missed: 3 });
    let sight = tokio::time::timeout(PATIENCE, tapping.next()).await.unwrap().unwrap();
    assert_eq!((&sight.pod, &sight.record["path"], sight.missed), (&web, &json!("/b"), 3));

    // The proxy has gone over to this one.
    connected(&a);
    until("the tap at a", &a, &[7]).await;
    a.hub.tapped(&web, proto::Tapped { tap: 7, records: record("/a"), missed: 0 });
    let sight = tokio::time::timeout(PATIENCE, tapping.next()).await.unwrap().unwrap();
    assert_eq!((&sight.record["path"], sight.missed), (&json!("/a"), 0));

    drop(tapping);
    until("its end at a", &a, &[]).await;
    until("its end at b", &b, &[]).await;
}
