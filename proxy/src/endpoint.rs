//! One endpoint as a worker knows it: its load, its idle connections, and how to dial it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_core::{
    balance::{Bar, Load, Standing},
    destination::Endpoint,
    id::SpiffeId,
    telemetry::Workload,
};
use isthmus_identity::{MeshTls, Refused, peer_workload};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName},
};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::{
    edges::Peer,
    fault::Fault,
    limits::CONNECT_TIME,
    metrics::Direction,
    pool::Pool,
    transport::{Stream, Transport},
    worker::Worker,
};

/// What is to be spoken inside mesh TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpn {
    Http1,
    Http2,
    Tcp,
}

impl Alpn {
    /// All, in the inbound side's order of preference.
    pub(crate) const ALL: [Self; 3] = [Self::Http2, Self::Http1, Self::Tcp];

    pub(crate) const fn id(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"isthmus-http/1.1",
            Self::Http2 => b"isthmus-h2",
            Self::Tcp => b"isthmus-tcp",
        }
    }

    pub(crate) fn from_id(id: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|alpn| alpn.id() == id)
    }
}

/// One endpoint of a worker, as it is called by one name: connections are made, pooled and judged by that name, for behind a
/// gateway it is the name that leads to a pod. Every backend that calls the endpoint so shares it.
pub(crate) struct EndpointState {
    pub(crate) endpoint: Endpoint,
    pub(crate) load: RefCell<Load>,
    pub(crate) pool: Pool,
    /// Who it has turned out to be, and how often that has changed.
    pub(crate) peer: RefCell<Peer>,
    /// The gateway that it is behind, as all that are behind it find it.
    gateway: Option<Rc<RefCell<Bar>>>,
    server_name: Option<ServerName<'static>>,
    tls: [OnceCell<Arc<ClientConfig>>; 3],
}

impl EndpointState {
    pub(crate) fn new(endpoint: Endpoint, server_name: Option<ServerName<'static>>, worker: &Worker) -> Self {
        Self {
            server_name,
            gateway: endpoint.remote.as_ref().map(|_| worker.gateway(endpoint.addr)),
            peer: RefCell::new((0, expected(&endpoint))),
            endpoint,
            load: RefCell::new(Load::new(worker.now())),
            pool: Pool::default(),
            tls: Default::default(),
        }
    }

    /// What a choice looks at.
    pub(crate) fn standing(&self, now: Duration) -> Standing {
        let own = self.load.borrow().standing(now);
        match &self.gateway {
            Some(gateway) => own.behind(&gateway.borrow(), now),
            None => own,
        }
    }

    /// A request or connection is about to be sent to it: where it is in doubt, others wait for what becomes of that.
    pub(crate) fn called(&self, now: Duration) {
        let mut load = self.load.borrow_mut();
        if load.is_in_doubt() && !load.is_barred(now) {
            load.put_to_trial(now);
        }
        if let Some(gateway) = &self.gateway {
            let mut gateway = gateway.borrow_mut();
            if gateway.is_in_doubt() && gateway.until(now).is_none() {
                gateway.put_to_trial(now);
            }
        }
    }

    /// Opens a connection: mesh TLS to the identity that is expected, or plaintext to who is outside the mesh.
    pub(crate) async fn dial(&self, worker: &Rc<Worker>, alpn: Alpn) -> Result<Stream, Fault> {
        let connected = Cell::new(false);
        let dialled = tokio::time::timeout(CONNECT_TIME, self.try_dial(worker, alpn, &connected)).await;
        let result = dialled.unwrap_or(Err(Fault::ConnectTimeout));
        let result = result.and_then(|stream| self.still_trusted(worker).map(|()| stream));
        if let Err(fault) = &result {
            self.blame(*fault, connected.get(), worker.now());
            tracing::debug!(endpoint = %self.endpoint.addr, fault = fault.as_str(), "endpoint can't be dialled");
        }
        result
    }

    /// The roots may have changed while a connection was being made.
    pub(crate) fn still_trusted(&self, worker: &Worker) -> Result<(), Fault> {
        let domain = self.endpoint.identity.as_ref().map(SpiffeId::trust_domain);
        if domain.is_none_or(|domain| worker.tls.roots().trusts(domain)) { Ok(()) } else { Err(Fault::Identity) }
    }

    /// Bars who is to blame for a failed connection. A gateway that takes none fails all that are behind it; what becomes of one that
    /// it took is up to the endpoint.
    fn blame(&self, fault: Fault, connected: bool, now: Duration) {
        match &self.gateway {
            // What is this proxy's own fault says nothing of others.
            _ if matches!(fault, Fault::NotReady | Fault::Expired | Fault::Loop) => {}
            Some(gateway) if !connected => gateway.borrow_mut().fail(now),
            _ => self.load.borrow_mut().fail(now),
        }
    }

    async fn try_dial(&self, worker: &Rc<Worker>, alpn: Alpn, connected: &Cell<bool>) -> Result<Stream, Fault> {
        let addr = self.endpoint.addr;
        let Some(identity) = &self.endpoint.identity else {
            return Ok(Stream::Plain(connect(worker, addr).await?));
        };
        match worker.tls.svid().get() {
            None => return Err(Fault::NotReady),
            // The endpoint would refuse it, and could only say so by closing.
            Some(svid) if svid.not_after() < SystemTime::now() => return Err(Fault::Expired),
            Some(_) => {}
        }
        let config = self.config(&worker.tls, alpn, identity)?;
        let transport = match worker.own_inbound(addr) {
            Some(pipe) => pipe,
            None => connect(worker, addr).await?,
        };
        connected.set(true);
        if let Some(gateway) = &self.gateway {
            gateway.borrow_mut().lift(worker.now());
        }
        // An address is sent as no name at all (RFC 6066 §3).
        let name = self.server_name.clone().unwrap_or_else(|| ServerName::IpAddress(addr.ip().into()));
        let result = TlsConnector::from(config).connect(name, transport).await;
        worker.metrics.handshake(Direction::Outbound, result.is_ok());
        match result {
            Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(alpn.id()) => {
                self.met(stream.get_ref().1.peer_certificates().unwrap_or_default());
                Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
            }
            Ok(_) => Err(Fault::Identity),
            Err(error) => {
                let (refused, error) = (Refused::of_io(&error), Refused::words(&error));
                // A wrong clock is nothing that mends itself: whoever runs the node must hear of it.
                match refused.is_some_and(Refused::is_of_time) {
                    true => tracing::warn!(endpoint = %addr, expected = %identity, error, "mesh TLS failed"),
                    false => tracing::debug!(endpoint = %addr, expected = %identity, error, "mesh TLS failed"),
                }
                Err(if refused.is_some() { Fault::Identity } else { Fault::ConnectFailed })
            }
        }
    }

    /// Notes who has answered: it may be another pod than the last time at the same address.
    fn met(&self, chain: &[CertificateDer<'_>]) {
        let mut peer = self.peer.borrow_mut();
        let met = peer_workload(chain);
        if peer.1.as_deref() != met.as_ref() {
            *peer = (peer.0.wrapping_add(1), met.map(Arc::new));
        }
    }

    fn config(&self, tls: &MeshTls, alpn: Alpn, identity: &SpiffeId) -> Result<Arc<ClientConfig>, Fault> {
        let cell = match (alpn, &self.tls) {
            (Alpn::Http1, [cell, _, _]) | (Alpn::Http2, [_, cell, _]) | (Alpn::Tcp, [_, _, cell]) => cell,
        };
        if let Some(config) = cell.get() {
            return Ok(Arc::clone(config));
        }
        let config = tls.client_config(&[alpn.id()], identity.clone()).map_err(|_| Fault::NotReady)?;
        Ok(Arc::clone(cell.get_or_init(|| config)))
    }
}

/// Who an endpoint should be, as far as that is known before anybody has answered.
fn expected(endpoint: &Endpoint) -> Option<Arc<Workload>> {
    let mut workload = Workload::of(endpoint.identity.as_ref()?);
    if let Some((_, pod)) = endpoint.workload.split_once('/').filter(|_| endpoint.remote.is_none()) {
        workload.pod = pod.into();
    }
    Some(Arc::new(workload))
}

/// Connects to an address, past the pod's own redirect.
pub(crate) async fn connect(worker: &Worker, addr: SocketAddr) -> Result<Transport, Fault> {
    if worker.is_own_listener(addr) {
        return Err(Fault::Loop);
    }
    let stream = dial_tcp(addr, worker.config.socket_mark).await;
    stream.map(Transport::tcp).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Fault::ConnectTimeout,
        _ => Fault::ConnectFailed,
    })
}

/// Dials with the mark that keeps the proxy's own connections out of the redirect.
pub(crate) async fn dial_tcp(addr: SocketAddr, mark: Option<u32>) -> io::Result<TcpStream> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(mark) = mark {
        SockRef::from(&socket).set_mark(mark)?;
    }
    socket.connect(addr).await
}

/// A TCP connection that counts towards its endpoint's load.
pub(crate) struct Busy {
    worker: Rc<Worker>,
    endpoint: Rc<EndpointState>,
}

impl Busy {
    pub(crate) fn new(worker: &Rc<Worker>, endpoint: &Rc<EndpointState>) -> Self {
        endpoint.load.borrow_mut().begin();
        Self { worker: Rc::clone(worker), endpoint: Rc::clone(endpoint) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.endpoint.load.borrow_mut().end(self.worker.now(), None);
    }
}

/// When a pooled connection was last used.
pub(crate) type LastUse = Instant;
