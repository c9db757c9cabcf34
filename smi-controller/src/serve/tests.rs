//! A proxy, scripted, against the real server over TLS.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper_util::rt::TokioIo;
use isthmus_api::{
    control::v1::{
        self as proto, CertifyRequest, ControllerMessage, ProxyMessage, control_client::ControlClient,
        controller_message::Content, identity_client::IdentityClient, proxy_message::Message,
    },
    encode,
    listen::{Room, listen},
};
use isthmus_core::{
    destination::DestinationKey,
    id::{ObjectName, SpiffeId, TrustDomain},
};
use isthmus_identity::{Authority, ClientCerts, Keypair, MeshTls, Svid, SvidCell, TrustStore};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming, transport::Channel};

mod pressure;
mod taps;

use super::{tokens::Speaker, *};
use crate::{ca::Roots, index::Update, metrics::Metrics, telemetry::Traffic, testing::*};
use isthmus_k8s::watch::Change;

const ROOM: Room = Room { all: 1024, strangers: 1024, each: 1024, stay: HOUR };
const HOUR: Duration = Duration::from_secs(3600);

fn id(account: &str) -> SpiffeId {
    format!("spiffe://isthmus.local/ns/shop/sa/{account}").parse().unwrap()
}

fn svid(authority: &Authority, id: &SpiffeId) -> Svid {
    let keypair = Keypair::generate().unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), id, SystemTime::now(), HOUR).unwrap();
    Svid::new(issued.chain, &keypair).unwrap()
}

/// Takes `<pod>` as the token of that pod of account web.
struct FakeTokens;

impl Tokens for FakeTokens {
    async fn review(&self, token: String) -> Result<Speaker, TokenError> {
        if token == "bad" {
            return Err(TokenError::Refused("expired".into()));
        }
        let pod = ObjectName::new("shop", token.as_str());
        Ok(Speaker { account: ObjectName::new("shop", "web"), pod_uid: format!("uid-{pod}"), pod })
    }
}

struct Server {
    hub: Arc<Hub>,
    metrics: prometheus::Registry,
    authority: Arc<Authority>,
    addr: SocketAddr,
    updates: mpsc::Sender<Update>,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(manifests: impl IntoIterator<Item = Value>) -> Server {
    serve_with(manifests, FakeTokens).await
}

async fn serve_with(manifests: impl IntoIterator<Item = Value>, tokens: impl Tokens) -> Server {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let authority = Arc::new(Authority::generate(domain.clone(), SystemTime::now(), HOUR).unwrap());
    let bundles = vec![authority.bundle(1)];
    let registered = prometheus::Registry::new();
    let metrics = Metrics::register(&registered).unwrap();
    let hub = Arc::new(Hub::new(Registry::new(index_of(manifests), bundles.clone()), metrics.clone()));
    let (updates, receive) = mpsc::channel(100);
    let follow = hub.clone();
    tokio::spawn(async move { follow.follow(receive).await });
    let cell = Arc::new(SvidCell::new());
    cell.set(svid(&authority, &"spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller".parse().unwrap()));
    let tls = MeshTls::new(Arc::new(TrustStore::with(&bundles).unwrap()), cell);
    let config = tls.server_config(&[b"h2"], ClientCerts::Optional).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let traffic = Arc::new(Traffic::new(hub.clone(), metrics.clone()));
    let server = tonic::transport::Server::builder()
        .add_service(ControlService::server(hub.clone(), domain, traffic, stop.clone()))
        .add_service(Certifier::server(
            hub.clone(),
            tokens,
            Roots::fixed(authority.clone()),
            HOUR,
            metrics.certificates,
        ))
        .serve_with_incoming_shutdown(listen(listener, config, ROOM, stop.clone()), stop.clone().cancelled_owned());
    tokio::spawn(server);
    Server { hub, metrics: registered, authority, addr, updates, stop }
}

impl Server {
    async fn synced(self) -> Self {
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
            self.updates.send(update).await.unwrap();
        }
        self.hub.synced().await;
        self
    }

    async fn channel(&self, account: Option<&str>) -> Result<Channel, tonic::transport::Error> {
        let cell = Arc::new(SvidCell::new());
        if let Some(account) = account {
            cell.set(svid(&self.authority, &id(account)));
        }
        self.channel_as(cell).await
    }

    async fn channel_as(&self, cell: Arc<SvidCell>) -> Result<Channel, tonic::transport::Error> {
        let roots = TrustStore::with(&[self.authority.bundle(1)]).unwrap();
        let controller: SpiffeId = "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller".parse().unwrap();
        let config = MeshTls::new(Arc::new(roots), cell).client_config(&[b"h2"], controller).unwrap();
        let (connector, addr) = (TlsConnector::from(config), self.addr);
        let connect = tower::service_fn(move |_: http::Uri| {
            let connector = connector.clone();
            async move {
                let stream = tokio::net::TcpStream::connect(addr).await?;
                let name = "isthmus-controller.isthmus-system.svc".try_into().unwrap();
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        tonic::transport::Endpoint::from_static("http://controller").connect_with_connector(connect).await
    }

    async fn proxy(&self, account: &str, pod: &str) -> Proxy {
        self.session(id(account), "shop", pod).await
    }

    async fn session(&self, identity: SpiffeId, namespace: &str, pod: &str) -> Proxy {
        let cell = Arc::new(SvidCell::new());
        cell.set(svid(&self.authority, &identity));
        let channel = self.channel_as(cell).await.unwrap();
        let (send, receive) = mpsc::channel(100);
        let hello = proto::Hello { namespace: namespace.into(), pod: pod.into(), proxy_version: "test".into() };
        let mut proxy = Proxy { send, hear: None };
        proxy.say(Message::Hello(hello)).await;
        let stream = ControlClient::new(channel).session(ReceiverStream::new(receive)).await.unwrap();
        proxy.hear = Some(stream.into_inner());
        proxy
    }
}

struct Proxy {
    send: mpsc::Sender<ProxyMessage>,
    hear: Option<Streaming<ControllerMessage>>,
}

impl Proxy {
    async fn say(&self, message: Message) {
        self.send.send(ProxyMessage { message: Some(message) }).await.unwrap();
    }

    async fn subscribe(&self, key: proto::ResourceKey) {
        self.say(Message::Subscribe(proto::Subscribe { key: Some(key), held: String::new() })).await;
    }

    async fn hear(&mut self) -> Result<ControllerMessage, Status> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.hear.as_mut().unwrap().message());
        next.await.expect("nothing came")?.ok_or_else(|| Status::ok("the stream ended"))
    }

    async fn hear_and_ack(&mut self) -> ControllerMessage {
        let message = self.hear().await.unwrap();
        self.ack(&message).await;
        message
    }

    async fn ack(&self, message: &ControllerMessage) {
        let ack = proto::Ack { key: message.key.clone(), version: message.version.clone(), cut_connections: 0 };
        self.say(Message::Ack(ack)).await;
    }
}

fn web_key() -> proto::ResourceKey {
    encode::destination_key(&DestinationKey { host: "10.43.0.10".into(), port: 80 })
}

fn shop() -> Vec<Value> {
    vec![
        service("web", "10.43.0.10", &[80]),
        slice("web", &[("p80", 8080)], &[("web-1", "10.42.0.11")]),
        pod("web-1", "web", "10.42.0.11"),
    ]
}

#[tokio::test]
async fn a_proxy_gets_roots_policy_and_destinations_and_its_acknowledgements_count() {
    let server = serve(shop()).await.synced().await;
    let mut proxy = server.proxy("web", "web-1").await;
    proxy.subscribe(encode::bundles_key()).await;
    let message = proxy.hear().await.unwrap();
    assert!(matches!(message.content, Some(Content::Bundles(b)) if b.bundles[0].trust_domain == "isthmus.local"));
    proxy.subscribe(encode::inbound_key()).await;
    assert!(matches!(proxy.hear().await.unwrap().content, Some(Content::Inbound(_))));
    proxy.subscribe(web_key()).await;
    let message = proxy.hear().await.unwrap();
    assert!(matches!(&message.content, Some(Content::Destination(_))));
    let split = object("TrafficSplit", "s", json!({"service": "web", "backends": [{"service": "web", "weight": 1}]}));
    server.updates.send(applied(split)).await.unwrap();
    let message = proxy.hear().await.unwrap();
    proxy.ack(&message).await;
    let object = crate::fault::ObjectRef { kind: crate::fault::Kind::TrafficSplit, name: ObjectName::new("shop", "s") };
    let programmed = async {
        while server.hub.with(|r| r.state_of(&object)).map(|(_, e)| (e.programmed, e.concerned)) != Some((1, 1)) {
            server.hub.unsettled.notified().await;
            server.hub.with(|r| r.take_unsettled());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), programmed).await.unwrap();
}

#[tokio::test]
async fn a_session_needs_a_certificate_that_agrees_with_what_it_says() {
    let server = serve(shop()).await.synced().await;
    let none = ControlClient::new(server.channel(None).await.unwrap()).session(tokio_stream::empty()).await;
    assert_eq!(none.unwrap_err().code(), Code::Unauthenticated);
    let code = async |account: &str, pod: &str| server.proxy(account, pod).await.hear().await.unwrap_err().code();
    assert_eq!(code("other", "web-1").await, Code::PermissionDenied, "the pod runs as another account");
    assert_eq!(code("web", "nobody").await, Code::Unavailable, "no such pod");
}

#[tokio::test]
async fn only_gateways_are_told_what_gateways_relay() {
    let gateway =
        with(pod("gateway-1", "isthmus-gateway", "10.42.0.9"), "/metadata/namespace", json!("isthmus-system"));
    let twin = pod("gateway-2", "isthmus-gateway", "10.42.0.10");
    let server = serve(shop().into_iter().chain([gateway, twin])).await.synced().await;
    let named = |namespace: &str| format!("spiffe://isthmus.local/ns/{namespace}/sa/isthmus-gateway").parse().unwrap();
    let mut gateway = server.session(named("isthmus-system"), "isthmus-system", "gateway-1").await;
    gateway.subscribe(encode::gateway_key()).await;
    let message = gateway.hear().await.unwrap();
    assert!(matches!(message.content, Some(Content::Gateway(routes)) if routes.mesh == "isthmus"));
    let mut twin = server.session(named("shop"), "shop", "gateway-2").await;
    twin.subscribe(encode::gateway_key()).await;
    assert_eq!(twin.hear().await.unwrap_err().code(), Code::PermissionDenied, "a ServiceAccount of the same name");
    let mut sidecar = server.proxy("web", "web-1").await;
    sidecar.subscribe(encode::gateway_key()).await;
    assert_eq!(sidecar.hear().await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_certificate_of_another_root_opens_nothing() {
    let server = serve(shop()).await.synced().await;
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let other = Authority::generate(domain, SystemTime::now(), HOUR).unwrap();
    let cell = Arc::new(SvidCell::new());
    cell.set(svid(&other, &id("web")));
    // In TLS 1.3 the client learns of the refusal with the first answer.
    if let Ok(channel) = server.channel_as(cell).await {
        assert!(ControlClient::new(channel).session(tokio_stream::empty()).await.is_err());
    }
}

#[tokio::test]
async fn the_first_message_must_be_hello() {
    let server = serve(shop()).await.synced().await;
    let channel = server.channel(Some("web")).await.unwrap();
    let first = ProxyMessage { message: Some(Message::Ack(proto::Ack::default())) };
    let mut stream = ControlClient::new(channel).session(tokio_stream::once(first)).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_message_that_no_proxy_needs_ends_the_session() {
    let server = serve(shop()).await.synced().await;
    let mut proxy = server.proxy("web", "web-1").await;
    let long = proto::Refuse { key: Some(web_key()), version: String::new(), reason: "x".repeat(70_000) };
    proxy.say(Message::Refuse(long)).await;
    assert_eq!(proxy.hear().await.unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn nothing_is_served_before_everything_is_known() {
    let server = serve(shop()).await;
    let mut proxy = server.proxy("web", "web-1").await;
    proxy.subscribe(web_key()).await;
    assert_eq!(server.hub.with(|registry| registry.session_count()), 0);
    let server = server.synced().await;
    assert!(proxy.hear().await.is_ok());
    assert_eq!(server.hub.with(|registry| registry.session_count()), 1);
}

#[tokio::test]
async fn a_pod_that_comes_to_be_known_a_moment_later_is_waited_for() {
    let server = serve([]).await.synced().await;
    let mut proxy = server.proxy("web", "web-1").await;
    proxy.subscribe(encode::inbound_key()).await;
    server.updates.send(applied(pod("web-1", "web", "10.42.0.11"))).await.unwrap();
    assert!(proxy.hear().await.is_ok());
}

#[tokio::test]
async fn a_proxy_that_goes_is_forgotten() {
    let server = serve(shop()).await.synced().await;
    let mut proxy = server.proxy("web", "web-1").await;
    proxy.subscribe(web_key()).await;
    proxy.hear().await.unwrap();
    drop(proxy);
    let gone = async {
        while server.hub.with(|registry| registry.session_count()) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn a_certificate_says_what_the_token_says_and_nothing_of_the_request() {
    let server = serve(shop()).await.synced().await;
    let mut client = IdentityClient::new(server.channel(None).await.unwrap());
    let keypair = Keypair::generate().unwrap();
    let request = |token: &str| CertifyRequest { csr: keypair.csr().unwrap().into(), token: token.into() };
    let answer = client.certify(request("web-1")).await.unwrap().into_inner();
    let chain: Vec<_> = answer.chain.into_iter().map(|der| der.to_vec().into()).collect();
    assert_eq!(&*isthmus_identity::peer_workload(&chain).unwrap().pod, "web-1");
    assert_eq!(Svid::new(chain, &keypair).unwrap().id(), &id("web"));
    assert_eq!(answer.bundles[0].trust_domain, "isthmus.local");
    let code = |result: Result<tonic::Response<_>, Status>| {
        result.map(|_: tonic::Response<proto::CertifyResponse>| ()).unwrap_err().code()
    };
    assert_eq!(code(client.certify(request("bad")).await), Code::Unauthenticated);
    let nonsense = CertifyRequest { csr: vec![1, 2, 3].into(), token: "web-1".into() };
    assert_eq!(code(client.certify(nonsense).await), Code::InvalidArgument);
    let long = CertifyRequest { csr: vec![0; 9000].into(), token: "web-1".into() };
    assert_eq!(code(client.certify(long).await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_pod_that_asks_too_often_is_slowed() {
    let server = serve(shop()).await.synced().await;
    let mut client = IdentityClient::new(server.channel(None).await.unwrap());
    let csr = Keypair::generate().unwrap().csr().unwrap();
    let mut refused = 0;
    for _ in 0..12 {
        let result = client.certify(CertifyRequest { csr: csr.clone().into(), token: "web-1".into() }).await;
        refused += usize::from(result.is_err_and(|status| status.code() == Code::ResourceExhausted));
    }
    assert_eq!(refused, 2);
}
