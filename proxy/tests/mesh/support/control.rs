//! A control plane that says what the test tells it to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use isthmus_api::{
    control::v1::{
        self as proto, Ack, Bundle, Bundles, CertifyRequest, CertifyResponse, ControllerMessage, ProxyMessage, Refuse,
        ResourceKey,
        control_server::{Control, ControlServer},
        controller_message::Content,
        identity_server::{Identity, IdentityServer},
        proxy_message::Message,
        resource_key::Kind,
    },
    decode, encode, gateway, tap, telemetry, version,
};
use isthmus_core::{
    destination::{Destination, DestinationKey},
    gateway::Routes as GatewayRoutes,
    id::{SpiffeId, TrustDomain},
    inbound::InboundPolicy,
    telemetry::{Owned, settings::Settings, tap::Tap},
};
use isthmus_identity::{Authority, ClientCerts, Keypair, MeshTls, Svid, SvidCell, TrustStore};
use rustls::{pki_types::UnixTime, time_provider::TimeProvider};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, service::Routes};

pub const CONTROLLER: &str = "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller";

/// The control plane; clones are the same one.
#[derive(Clone, Debug)]
pub struct Script {
    pub addr: SocketAddr,
    pub authority: Arc<Authority>,
    state: Arc<Mutex<State>>,
    stop: Arc<Mutex<CancellationToken>>,
}

#[derive(Debug, Default)]
struct State {
    lifetime: Option<Duration>,
    /// Signs leaves, instead of the authority.
    signer: Option<Arc<Authority>>,
    /// How far its clock is off, in seconds.
    skew: i64,
    /// Certificates are refused.
    silent: bool,
    policies: HashMap<String, InboundPolicy>,
    telemetry: HashMap<String, Settings>,
    taps: HashMap<String, Vec<Tap>>,
    tapped: Vec<(String, proto::Tapped)>,
    /// Is of before there were other keys than those that proxies can't do without.
    old: bool,
    destinations: HashMap<DestinationKey, Destination>,
    routes: Option<GatewayRoutes>,
    bundles: Vec<Bundle>,
    sessions: Vec<Session>,
    acks: Vec<(String, Ack)>,
    refusals: Vec<(String, Refuse)>,
    /// The roots of leaves, as pods have told them.
    leaves: Vec<(String, Vec<u8>)>,
    subscriptions: Vec<(String, proto::Subscribe)>,
    traffic: Vec<(String, proto::Traffic)>,
}

#[derive(Clone, Debug)]
struct Session {
    pod: String,
    to_proxy: mpsc::Sender<Result<ControllerMessage, Status>>,
    subscribed: Arc<Mutex<Vec<ResourceKey>>>,
}

impl Script {
    pub async fn start() -> Self {
        Self::start_at((super::address(), 15010).into()).await
    }

    pub async fn start_at(addr: SocketAddr) -> Self {
        Self::start_of("isthmus.local", addr).await
    }

    /// One of the mesh with this trust domain.
    pub async fn start_of(domain: &str, addr: SocketAddr) -> Self {
        let domain = TrustDomain::new(domain).unwrap();
        // Old enough that leaves of it can have expired.
        let born = SystemTime::now() - Duration::from_secs(6 * 3600);
        let authority = Authority::generate(domain, born, Duration::from_secs(86_400)).unwrap();
        let script = Self {
            addr,
            state: Arc::new(Mutex::new(State { bundles: vec![bundle(&authority)], ..State::default() })),
            authority: Arc::new(authority),
            stop: Arc::default(),
        };
        script.resume().await;
        script
    }

    /// Goes away, sessions and all.
    pub fn stop(&self) {
        self.stop.lock().unwrap().cancel();
        self.state.lock().unwrap().sessions.clear();
    }

    /// Serves (again).
    pub async fn resume(&self) {
        let stop = CancellationToken::new();
        *self.stop.lock().unwrap() = stop.clone();
        let tls = self.tls(self.id().as_str()).server_config(&[b"h2"], ClientCerts::Optional).unwrap();
        let mut tls = Arc::unwrap_or_clone(tls);
        tls.time_provider = Arc::new(self.clone());
        let tls = Arc::new(tls);
        let bound = std::cell::Cell::new(None);
        super::eventually("the controller's port is free", async || {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            let listener = socket.bind(self.addr).and_then(|()| socket.listen(64));
            let free = listener.is_ok();
            bound.set(listener.ok());
            free
        })
        .await;
        let listener = bound.take().unwrap();
        let script = self.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, script) = (TlsAcceptor::from(Arc::clone(&tls)), script.clone());
                tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let peer = stream.get_ref().1.peer_certificates().and_then(isthmus_identity::peer_id);
                    let service = Service { script, peer };
                    let routes = Routes::new(ControlServer::new(service.clone()))
                        .add_service(IdentityServer::new(service))
                        .prepare();
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
                        .await;
                }));
            }
        }));
    }

    /// Its own identity.
    pub fn id(&self) -> SpiffeId {
        controller(self.authority.trust_domain())
    }

    /// TLS as somebody of this mesh.
    pub fn tls(&self, id: &str) -> MeshTls {
        let cell = SvidCell::new();
        cell.set(svid(&self.authority, id));
        MeshTls::new(Arc::new(TrustStore::with(&[self.authority.bundle(1)]).unwrap()), Arc::new(cell))
    }

    pub fn set_lifetime(&self, lifetime: Duration) {
        self.state.lock().unwrap().lifetime = Some(lifetime);
    }

    /// Signs leaves with another root from now on.
    pub fn set_signer(&self, signer: &Arc<Authority>) {
        self.state.lock().unwrap().signer = Some(Arc::clone(signer));
    }

    /// Issues certificates, and judges those of pods, as if its clock were so many seconds ahead.
    pub fn set_skew(&self, seconds: i64) {
        self.state.lock().unwrap().skew = seconds;
    }

    /// The time by its own clock.
    fn now(&self) -> SystemTime {
        let skew = self.state.lock().unwrap().skew;
        let off = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { SystemTime::now() - off } else { SystemTime::now() + off }
    }

    /// Refuses certificates, or not any more.
    pub fn set_silent(&self, silent: bool) {
        self.state.lock().unwrap().silent = silent;
    }

    /// The root that the pod's leaf stands on, as it has told last.
    pub fn root_of(&self, pod: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().leaves.iter().rev().find(|(p, _)| p == pod).map(|(_, root)| root.clone())
    }

    pub fn set_policy(&self, pod: &str, policy: InboundPolicy) {
        self.state.lock().unwrap().policies.insert(pod.into(), policy);
        self.push(|session| session.pod == pod, &encode::inbound_key());
    }

    /// What is to be seen of a pod's traffic.
    #[allow(dead_code)]
    pub fn set_telemetry(&self, pod: &str, settings: Settings) {
        self.state.lock().unwrap().telemetry.insert(pod.into(), settings);
        self.push(|session| session.pod == pod, &encode::telemetry_key());
    }

    /// Who watches a pod.
    #[allow(dead_code)]
    pub fn set_taps(&self, pod: &str, taps: Vec<Tap>) {
        self.state.lock().unwrap().taps.insert(pod.into(), taps);
        self.push(|session| session.pod == pod, &encode::taps_key());
    }

    /// What a pod's taps have seen.
    #[allow(dead_code)]
    pub fn tapped(&self, pod: &str) -> Vec<proto::Tapped> {
        self.state.lock().unwrap().tapped.iter().filter(|(p, _)| p == pod).map(|(_, t)| t.clone()).collect()
    }

    /// From now on it ends sessions over what older controllers don't know.
    #[allow(dead_code)]
    pub fn be_old(&self) {
        self.state.lock().unwrap().old = true;
    }

    pub fn set_destination(&self, host: &str, port: u16, destination: Destination) {
        let key = DestinationKey { host: host.into(), port };
        self.state.lock().unwrap().destinations.insert(key.clone(), destination);
        self.push(|_| true, &encode::destination_key(&key));
    }

    /// What gateways relay. Their tests share this control plane.
    #[allow(dead_code)]
    pub fn set_routes(&self, routes: GatewayRoutes) {
        self.state.lock().unwrap().routes = Some(routes);
        self.push(|_| true, &encode::gateway_key());
    }

    pub fn set_bundles(&self, bundles: Vec<Bundle>) {
        self.state.lock().unwrap().bundles = bundles;
        self.push(|_| true, &encode::bundles_key());
    }

    /// Sends a message as it is, to one pod.
    pub fn send_raw(&self, pod: &str, message: ControllerMessage) {
        let sessions = self.state.lock().unwrap().sessions.clone();
        for session in sessions.iter().filter(|s| s.pod == pod) {
            let _ = session.to_proxy.try_send(Ok(message.clone()));
        }
    }

    pub fn version_of(&self, host: &str, port: u16) -> String {
        let key = DestinationKey { host: host.into(), port };
        version::of(&encode::destination(&self.state.lock().unwrap().destinations[&key]))
    }

    /// The present contents of a key as the proxy should have acknowledged them.
    pub async fn acknowledged(&self, pod: &str, key: &ResourceKey) {
        let version = self.message(pod, key).unwrap().version;
        super::eventually("acknowledged", async || {
            let acks = &self.state.lock().unwrap().acks;
            acks.iter().any(|(p, a)| p == pod && a.key.as_ref() == Some(key) && a.version == version)
        })
        .await;
    }

    /// Connections that the pod has said were cut by the present contents of a key.
    pub fn cut(&self, pod: &str, key: &ResourceKey) -> u32 {
        let version = self.message(pod, key).unwrap().version;
        let state = self.state.lock().unwrap();
        let acks = state.acks.iter().filter(|(p, ack)| p == pod && ack.version == version);
        acks.map(|(_, ack)| ack.cut_connections).sum()
    }

    /// The refusals of a pod so far.
    pub fn refusals(&self, pod: &str) -> Vec<Refuse> {
        self.state.lock().unwrap().refusals.iter().filter(|(p, _)| p == pod).map(|(_, r)| r.clone()).collect()
    }

    /// The subscriptions of a pod so far, over all its sessions.
    pub fn subscriptions(&self, pod: &str) -> Vec<proto::Subscribe> {
        self.state.lock().unwrap().subscriptions.iter().filter(|(p, _)| p == pod).map(|(_, s)| s.clone()).collect()
    }

    /// What the pod has counted, as it has told so far, over all its sessions.
    pub fn traffic(&self, pod: &str) -> Vec<proto::Traffic> {
        self.state.lock().unwrap().traffic.iter().filter(|(p, _)| p == pod).map(|(_, t)| t.clone()).collect()
    }

    fn push(&self, whom: impl Fn(&Session) -> bool, key: &ResourceKey) {
        let sessions = self.state.lock().unwrap().sessions.clone();
        for session in sessions.iter().filter(|s| whom(s) && s.subscribed.lock().unwrap().contains(key)) {
            if let Some(message) = self.message(&session.pod, key) {
                let _ = session.to_proxy.try_send(Ok(message));
            }
        }
    }

    fn message(&self, pod: &str, key: &ResourceKey) -> Option<ControllerMessage> {
        let state = self.state.lock().unwrap();
        let (version, content) = match key.kind.as_ref()? {
            Kind::Gateway(_) => {
                let routes = gateway::encode(state.routes.as_ref()?);
                (version::of(&routes), Content::Gateway(routes))
            }
            Kind::Bundles(_) => {
                let bundles = Bundles { bundles: state.bundles.clone() };
                (version::of(&bundles), Content::Bundles(bundles))
            }
            Kind::Inbound(_) => {
                let policy = encode::inbound(state.policies.get(pod)?);
                (version::of(&policy), Content::Inbound(policy))
            }
            Kind::Taps(_) => {
                let taps = tap::encode(state.taps.get(pod)?);
                (version::of(&taps), Content::Taps(taps))
            }
            Kind::Telemetry(_) => {
                let settings = telemetry::encode(state.telemetry.get(pod)?);
                (version::of(&settings), Content::Telemetry(settings))
            }
            Kind::Destination(key) => {
                let known = state.destinations.get(&decode::destination_key(key).unwrap());
                let destination = encode::destination(known.unwrap_or(&Destination::Unknown));
                (version::of(&destination), Content::Destination(destination))
            }
        };
        Some(ControllerMessage { key: Some(key.clone()), version, content: Some(content) })
    }

    async fn hear(&self, session: &Session, message: Message) {
        match message {
            Message::Subscribe(subscribe) => {
                let key = subscribe.key.clone().unwrap();
                if self.state.lock().unwrap().old && matches!(key.kind, Some(Kind::Telemetry(_) | Kind::Taps(_))) {
                    let _ = session.to_proxy.send(Err(Status::invalid_argument("field key is missing"))).await;
                    return;
                }
                session.subscribed.lock().unwrap().push(key.clone());
                let answer = self.message(&session.pod, &key).map(|mut message| {
                    if message.version == subscribe.held {
                        message.content = Some(Content::Unchanged(proto::Unit {}));
                    }
                    message
                });
                self.state.lock().unwrap().subscriptions.push((session.pod.clone(), subscribe));
                if let Some(answer) = answer {
                    let _ = session.to_proxy.send(Ok(answer)).await;
                }
            }
            Message::Unsubscribe(gone) => session.subscribed.lock().unwrap().retain(|k| Some(k) != gone.key.as_ref()),
            Message::Ack(ack) => self.state.lock().unwrap().acks.push((session.pod.clone(), ack)),
            Message::Refuse(refuse) => self.state.lock().unwrap().refusals.push((session.pod.clone(), refuse)),
            Message::Certified(leaf) => {
                self.state.lock().unwrap().leaves.push((session.pod.clone(), leaf.root.to_vec()))
            }
            Message::Tapped(tapped) => self.state.lock().unwrap().tapped.push((session.pod.clone(), tapped)),
            Message::Traffic(traffic) => self.state.lock().unwrap().traffic.push((session.pod.clone(), traffic)),
            Message::Hello(_) => panic!("a second Hello"),
        }
    }
}

/// The identity of a mesh's controller.
pub fn controller(domain: &TrustDomain) -> SpiffeId {
    SpiffeId::for_service_account(domain, "isthmus-system", "isthmus-controller").unwrap()
}

pub fn bundle(authority: &Authority) -> Bundle {
    bundle_of(&[authority], 1)
}

/// The roots of one domain, the signing one first.
pub fn bundle_of(authorities: &[&Authority], sequence: u64) -> Bundle {
    Bundle {
        trust_domain: authorities[0].trust_domain().to_string(),
        roots: authorities.iter().map(|authority| authority.certificate().to_vec().into()).collect(),
        sequence,
    }
}

/// A certificate of this authority for an ID.
pub fn svid(authority: &Authority, id: &str) -> Svid {
    svid_at(authority, id, SystemTime::now())
}

/// One of an hour, from that time on.
pub fn svid_at(authority: &Authority, id: &str, time: SystemTime) -> Svid {
    let key = Keypair::generate().unwrap();
    let id: SpiffeId = id.parse().unwrap();
    let issued = authority.issue(&key.csr().unwrap(), &id, time, Duration::from_secs(3600)).unwrap();
    Svid::new(issued.chain, &key).unwrap()
}

impl TimeProvider for Script {
    fn current_time(&self) -> Option<UnixTime> {
        self.now().duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

#[derive(Clone)]
struct Service {
    script: Script,
    peer: Option<SpiffeId>,
}

#[tonic::async_trait]
impl Identity for Service {
    /// The token of the test is the ServiceAccount: `ns/sa`.
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let CertifyRequest { csr, token } = request.into_inner();
        let (namespace, account) = token.split_once('/').ok_or_else(|| Status::unauthenticated("bad token"))?;
        let authority = &self.script.authority;
        let id = SpiffeId::for_service_account(authority.trust_domain(), namespace, account).unwrap();
        let (lifetime, signer) = {
            let state = self.script.state.lock().unwrap();
            if state.silent {
                return Err(Status::unavailable("no certificates today"));
            }
            (state.lifetime.unwrap_or(Duration::from_secs(3600)), state.signer.clone())
        };
        // The pods of the tests are named after their account.
        let owned = Owned::new("Deployment", account, account);
        let signer = signer.as_ref().unwrap_or(authority);
        let issued = signer.issue_for(&csr, &id, owned.as_ref(), self.script.now(), lifetime).unwrap();
        Ok(Response::new(CertifyResponse {
            chain: issued.chain.into_iter().map(|c| c.to_vec().into()).collect(),
            not_before: 0,
            not_after: 0,
            bundles: self.script.state.lock().unwrap().bundles.clone(),
        }))
    }
}

#[tonic::async_trait]
impl Control for Service {
    type SessionStream = ReceiverStream<Result<ControllerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ProxyMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = self.peer.clone().ok_or_else(|| Status::unauthenticated("no client certificate"))?;
        let mut incoming = request.into_inner();
        let Some(ProxyMessage { message: Some(Message::Hello(hello)) }) = incoming.message().await? else {
            return Err(Status::invalid_argument("no Hello"));
        };
        assert_eq!(peer.service_account().unwrap().0, hello.namespace);
        let (to_proxy, answers) = mpsc::channel(1000);
        let session = Session { pod: hello.pod, to_proxy, subscribed: Arc::default() };
        self.script.state.lock().unwrap().sessions.push(session.clone());
        let (script, stop) = (self.script.clone(), self.script.stop.lock().unwrap().clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            while let Ok(Some(message)) = incoming.message().await {
                script.hear(&session, message.message.unwrap()).await;
            }
        }));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}
