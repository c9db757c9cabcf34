//! A control plane that says what the benchmark tells it to, over the real protocol.

mod service;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use isthmus_api::{
    control::v1::{
        self as proto, ControllerMessage, ResourceKey, control_server::ControlServer, controller_message::Content,
        identity_server::IdentityServer, resource_key::Kind,
    },
    decode, encode, gateway, version,
};
use isthmus_core::{
    destination::{Destination, DestinationKey},
    gateway::Routes,
    id::{SpiffeId, TrustDomain},
    inbound::InboundPolicy,
};
use isthmus_identity::{Authority, ClientCerts, Keypair, MeshTls, Svid, SvidCell, TrustStore};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_rustls::TlsAcceptor;
use tonic::Status;

use crate::namespace::{CALLER, Namespace, Thread};

/// The identity that it shows.
pub(crate) const CONTROLLER: &str = "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller";
/// The trust domain of the mesh.
pub(crate) const DOMAIN: &str = "isthmus.local";
/// The port in the caller's namespace where it serves.
pub(crate) const PORT: u16 = 15010;
/// How long its own certificate and its root live.
const LIFETIME: Duration = Duration::from_hours(24);

/// The control plane in the caller's namespace. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    script: Script,
    roots: String,
    _stop: oneshot::Sender<()>,
    _thread: Thread<()>,
}

/// What it says; clones are the same one.
#[derive(Clone)]
struct Script {
    authority: Arc<Authority>,
    /// How long the proxies' certificates live.
    lifetime: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    policies: HashMap<String, InboundPolicy>,
    destinations: HashMap<DestinationKey, Destination>,
    /// Of the gateway.
    routes: Option<Routes>,
    sessions: Vec<Session>,
}

#[derive(Clone)]
struct Session {
    pod: String,
    to_proxy: mpsc::Sender<Result<ControllerMessage, Status>>,
    subscribed: Arc<Mutex<Vec<ResourceKey>>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn start(caller: &Namespace, lifetime: Duration) -> anyhow::Result<Self> {
        let authority = Authority::generate(TrustDomain::new(DOMAIN)?, SystemTime::now(), LIFETIME)?;
        let roots = authority.bundle(1).to_pem();
        let script = Script { authority: Arc::new(authority), lifetime, state: Arc::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = script.clone();
        let thread = caller.spawn("control", move || async move {
            let listener = TcpListener::bind((CALLER, PORT)).await?;
            tokio::select! {
                result = serving.serve(listener) => result,
                _ = stopped => Ok(()),
            }
        })?;
        Ok(Self { script, roots, _stop: stop, _thread: thread })
    }

    /// The mesh's roots, PEM.
    pub(crate) fn roots(&self) -> &str {
        &self.roots
    }

    pub(crate) fn set_policy(&self, pod: &str, policy: InboundPolicy) {
        self.script.state.lock().policies.insert(pod.into(), policy);
        self.script.push(|session| session.pod == pod, &encode::inbound_key());
    }

    pub(crate) fn set_routes(&self, routes: Routes) {
        self.script.state.lock().routes = Some(routes);
        self.script.push(|_| true, &encode::gateway_key());
    }

    pub(crate) fn set_destination(&self, addr: SocketAddr, destination: Destination) {
        let key = DestinationKey { host: addr.ip().to_string().into(), port: addr.port() };
        self.script.state.lock().destinations.insert(key.clone(), destination);
        self.script.push(|_| true, &encode::destination_key(&key));
    }
}

impl Script {
    async fn serve(&self, listener: TcpListener) -> anyhow::Result<()> {
        let tls = self.tls()?.server_config(&[b"h2"], ClientCerts::Optional)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A proxy that goes away takes its connection with it.
            tokio::task::spawn_local(self.clone().connection(TlsAcceptor::from(Arc::clone(&tls)), stream));
        }
    }

    async fn connection(self, tls: TlsAcceptor, stream: TcpStream) -> anyhow::Result<()> {
        let stream = tls.accept(stream).await?;
        let peer = stream.get_ref().1.peer_certificates().and_then(isthmus_identity::peer_id);
        let service = service::Service { script: self, peer };
        let routes = tonic::service::Routes::new(ControlServer::new(service.clone()))
            .add_service(IdentityServer::new(service))
            .prepare();
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        Ok(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)).await?)
    }

    fn tls(&self) -> anyhow::Result<MeshTls> {
        let key = Keypair::generate()?;
        let id: SpiffeId = CONTROLLER.parse()?;
        let issued = self.authority.issue(&key.csr()?, &id, SystemTime::now(), LIFETIME)?;
        let cell = SvidCell::new();
        cell.set(Svid::new(issued.chain, &key)?);
        Ok(MeshTls::new(Arc::new(TrustStore::with(&[self.authority.bundle(1)])?), Arc::new(cell)))
    }

    fn bundles(&self) -> Vec<proto::Bundle> {
        vec![proto::Bundle {
            trust_domain: self.authority.trust_domain().to_string(),
            roots: vec![self.authority.certificate().to_vec().into()],
            sequence: 1,
        }]
    }

    /// Tells those sessions what a key holds now, if they want to know.
    fn push(&self, whom: impl Fn(&Session) -> bool, key: &ResourceKey) {
        let sessions = self.state.lock().sessions.clone();
        for session in sessions.iter().filter(|s| whom(s) && s.subscribed.lock().contains(key)) {
            if let Ok(Some(message)) = self.message(&session.pod, key) {
                let _ = session.to_proxy.try_send(Ok(message));
            }
        }
    }

    fn message(&self, pod: &str, key: &ResourceKey) -> anyhow::Result<Option<ControllerMessage>> {
        let state = self.state.lock();
        let (version, content) = match key.kind.as_ref().context("a key without a kind")? {
            Kind::Gateway(_) => {
                let Some(routes) = &state.routes else { return Ok(None) };
                let routes = gateway::encode(routes);
                (version::of(&routes), Content::Gateway(routes))
            }
            Kind::Bundles(_) => {
                let bundles = proto::Bundles { bundles: self.bundles() };
                (version::of(&bundles), Content::Bundles(bundles))
            }
            Kind::Inbound(_) => {
                let Some(policy) = state.policies.get(pod) else { return Ok(None) };
                let policy = encode::inbound(policy);
                (version::of(&policy), Content::Inbound(policy))
            }
            // As the pods were started.
            Kind::Telemetry(_) | Kind::Taps(_) => return Ok(None),
            Kind::Destination(key) => {
                let known = state.destinations.get(&decode::destination_key(key)?);
                let destination = encode::destination(known.unwrap_or(&Destination::Unknown));
                (version::of(&destination), Content::Destination(destination))
            }
        };
        Ok(Some(ControllerMessage { key: Some(key.clone()), version, content: Some(content) }))
    }
}
