//! What arrives at the pod: who is calling, may they, and on to the application.

use std::{cell::OnceCell, io, net::SocketAddr, rc::Rc, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use isthmus_core::{
    authorize::{Allowed, Asked, Peer, authorize, could_be_allowed, is_probe},
    broken,
    deny::DenyCode,
    http_match::HttpRequest,
    id::SpiffeId,
};
use isthmus_identity::Refused;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::{
    backend::BackendState,
    body::Body,
    detect::{
        self, Protocol, Sniffed,
        client_hello::{self, Unread},
    },
    edges::{Callees, Caller},
    endpoint::{Alpn, connect},
    exchange::Exchange,
    fault::Fault,
    forward, hop,
    limits::{COPY_BYTES, DETECT_BYTES, DETECT_SILENCE, HANDSHAKE_TIME, REFUSED_SILENCE},
    live::Live,
    metrics::Direction,
    path,
    receive::receive,
    serve, tcp, trace,
    transport::{Stream, Transport},
    worker::Worker,
};

/// One client's connection.
struct Arrival {
    worker: Rc<Worker>,
    live: Rc<Live>,
    peer: SocketAddr,
    identity: Option<SpiffeId>,
    /// The identity as the application is told it.
    client_id: Option<HeaderValue>,
    caller: Rc<Caller>,
    /// The application's own address.
    app: OnceCell<Rc<BackendState>>,
    addr: SocketAddr,
}

/// Serves one arriving connection.
pub(crate) async fn serve(
    worker: &Rc<Worker>,
    mut transport: Transport,
    peer: SocketAddr,
    original: Option<SocketAddr>,
) {
    // Without a redirect there is no application behind it; and the proxy's own ports aren't the mesh's to offer.
    let Some(addr) = original.filter(|o| !worker.is_own_port(*o)) else {
        tracing::debug!(%peer, "refused: not a redirected connection");
        return transport.reset_on_close();
    };
    let live = worker.registry.register(Direction::Inbound, peer.ip(), addr.port());
    let hint = worker.policy().and_then(|p| p.protocols.get(&addr.port()).copied()).unwrap_or_default();
    let caller = Caller::unknown(&worker.edges);
    let plain = Arrival::new(worker, Rc::clone(&live), peer, addr, None, caller);
    let heard = match detect::sniff(&mut transport, Some(DETECT_SILENCE)).await {
        Ok(Sniffed::Silent) => silent(&plain, &mut transport).await,
        Ok(sniffed) => Ok((sniffed, None)),
        Err(error) => Err(error),
    };
    let Ok((sniffed, app)) = heard else { return };
    if sniffed == Sniffed::Is(Protocol::Tls) && is_mesh(&mut transport).await {
        drop(plain);
        return mesh(worker, transport, peer, addr, live).await;
    }
    let opaque_port = detect::hinted(hint) == Some(Protocol::Opaque);
    match sniffed {
        Sniffed::Closed => {}
        Sniffed::Is(Protocol::Http1) if !opaque_port => http(plain, Stream::Plain(transport), false).await,
        Sniffed::Is(Protocol::Http2) if !opaque_port => http(plain, Stream::Plain(transport), true).await,
        Sniffed::Is(_) | Sniffed::Silent => opaque(&plain, Stream::Plain(transport), app).await,
    }
}

/// A client that waits: if it may have a TCP connection, the application is opened, and whoever speaks first is heard. The client
/// may still turn out to be a slow mesh peer, or HTTP that is judged by request; but one that could be allowed nothing isn't waited
/// for long. `Silent` stands for the application's first word, or for none at all.
async fn silent(arrival: &Arrival, transport: &mut Transport) -> io::Result<(Sniffed, Option<Transport>)> {
    if arrival.judge(Asked::Tcp, None).is_err() {
        let patience =
            if arrival.may_speak_http() { arrival.worker.config.bounds.inbound_idle } else { REFUSED_SILENCE };
        return Ok((detect::sniff(transport, Some(patience)).await?, None));
    }
    let Ok(mut app) = connect(&arrival.worker, arrival.addr).await else {
        return Ok((detect::sniff(transport, Some(REFUSED_SILENCE)).await?, None));
    };
    tokio::select! {
        spoken = app.look_further(COPY_BYTES) => match spoken {
            Ok(1..) => Ok((Sniffed::Silent, Some(app))),
            // The application closed: it expects the client to speak.
            _ => Ok((detect::sniff(transport, Some(arrival.worker.config.bounds.inbound_idle)).await?, None)),
        },
        sniffed = detect::sniff(transport, None) => Ok((sniffed?, Some(app))),
    }
}

/// Is it a ClientHello that offers the mesh's protocols?
async fn is_mesh(transport: &mut Transport) -> bool {
    let read = async {
        loop {
            match client_hello::parse(transport.seen()) {
                Ok(hello) => return hello.alpn.iter().any(|id| Alpn::from_id(id).is_some()),
                Err(Unread::Malformed) => return false,
                Err(Unread::Incomplete) => {}
            }
            let full = transport.seen().len() >= DETECT_BYTES + 1024;
            if full || !transport.look_further(DETECT_BYTES).await.is_ok_and(|n| n > 0) {
                return false;
            }
        }
    };
    tokio::time::timeout(HANDSHAKE_TIME, read).await.unwrap_or(false)
}

async fn mesh(worker: &Rc<Worker>, transport: Transport, peer: SocketAddr, addr: SocketAddr, live: Rc<Live>) {
    let handshake = TlsAcceptor::from(Arc::clone(&worker.server_tls)).accept(transport);
    // Boxed, like all that is over before the connection is long-lived.
    let result = Box::pin(tokio::time::timeout(HANDSHAKE_TIME, handshake)).await;
    worker.metrics.handshake(Direction::Inbound, matches!(result, Ok(Ok(_))));
    let stream = match result {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, error = Refused::words(&error), "mesh TLS refused"),
        Err(_) => return tracing::debug!(%peer, "mesh TLS handshake took too long"),
    };
    let session = stream.get_ref().1;
    let identity = session.peer_certificates().and_then(isthmus_identity::peer_id);
    let alpn = session.alpn_protocol().and_then(Alpn::from_id);
    let (Some(identity), Some(alpn)) = (identity, alpn) else { return };
    live.set_peer(Some(identity.clone()));
    // The roots may have changed while the handshake went on.
    if !worker.tls.roots().trusts(identity.trust_domain()) {
        return;
    }
    let workload = session.peer_certificates().and_then(isthmus_identity::peer_workload).unwrap_or_default();
    let called = session.server_name();
    let caller = Caller::known(&worker.edges, identity.clone(), workload, called, &worker.config.mesh);
    let arrival = Arrival::new(worker, live, peer, addr, Some(identity), caller);
    let stream = Stream::Tls(Box::new(TlsStream::Server(stream)));
    match alpn {
        Alpn::Http1 => http(arrival, stream, false).await,
        Alpn::Http2 => http(arrival, stream, true).await,
        Alpn::Tcp => opaque(&arrival, stream, None).await,
    }
}

async fn opaque(arrival: &Arrival, stream: Stream, app: Option<Transport>) {
    let exchange = Exchange::tcp(Direction::Inbound, &arrival.worker.watch, arrival.peer, arrival.identity.clone());
    let _ = exchange.caller.set(Rc::clone(&arrival.caller));
    exchange.endpoint.set(Some(arrival.addr));
    if arrival.is_probe(Asked::Tcp) {
        exchange.forget();
    }
    match arrival.allow(Asked::Tcp, Some(&exchange)) {
        Ok(audited) => exchange.denied.set(audited),
        Err(code) => {
            arrival.worker.metrics.denied_tcp.count(code);
            exchange.denied.set(Some(code));
            // Closed at once. A caller's sidecar that opened the connection for a client that waits learns by the kind of end
            // whether HTTP is worth waiting for; without mesh TLS only a reset can't be taken for a regular end.
            if arrival.identity.is_none() || !arrival.may_speak_http() {
                stream.reset_on_close();
            }
            return;
        }
    }
    arrival.live.judge(false);
    let app = match app {
        Some(app) => Ok(app),
        None => connect(&arrival.worker, arrival.addr).await.map_err(Fault::of_app),
    };
    match app {
        Ok(app) => tcp::relay(stream, Stream::Plain(app), &exchange, &arrival.live).await,
        Err(fault) => {
            arrival.worker.metrics.fault(fault);
            exchange.fault.set(Some(fault));
            stream.reset_on_close();
        }
    }
}

async fn http(arrival: Arrival, stream: Stream, h2: bool) {
    let arrival = Rc::new(arrival);
    arrival.live.judge(true);
    let (live, idle) = (Rc::clone(&arrival.live), arrival.worker.config.bounds.inbound_idle);
    serve::http(stream, h2, idle, &live, move |request| handle(Rc::clone(&arrival), request)).await;
}

async fn handle(arrival: Rc<Arrival>, mut request: Request<Incoming>) -> Response<Body> {
    let worker = &arrival.worker;
    let exchange =
        Rc::new(Exchange::new(Direction::Inbound, &worker.watch, arrival.peer, arrival.identity.clone(), &request));
    let _ = exchange.caller.set(Rc::clone(&arrival.caller));
    let probe = arrival.is_probe(Asked::Http(hop::as_matched(&request)));
    match probe {
        true => exchange.forget(),
        false => arrival.caller.connected(exchange.protocol),
    }
    // A stream of HTTP/2 may be silent for as long as it likes: it holds no connection.
    exchange.patience.set((request.version() != Version::HTTP_2).then_some(worker.config.bounds.body_stall));
    let grpc = exchange.is_grpc();
    if let Err(fault) = receive(&mut request, Direction::Inbound) {
        return serve::fault(worker, exchange, fault, grpc);
    }
    if !probe {
        trace::begin(worker, &exchange, &mut request);
    }
    match arrival.allow_request(hop::as_matched(&request), &exchange) {
        Ok(audited) => exchange.denied.set(audited),
        Err(code) => {
            worker.metrics.denied_http.count(code);
            exchange.denied.set(Some(code));
            if broken::is(broken::Fault::DenyByReset) {
                arrival.live.close();
                return std::future::pending().await;
            }
            return denied(exchange, code, grpc);
        }
    }
    if let Some(id) = &arrival.client_id {
        request.headers_mut().insert(hop::CLIENT_ID, id.clone());
    }
    let live = Rc::clone(&arrival.live);
    forward::forward(worker, arrival.app(), request, exchange, &live).await
}

fn denied(exchange: Rc<Exchange>, code: DenyCode, grpc: bool) -> Response<Body> {
    exchange.status.set(StatusCode::FORBIDDEN.as_u16());
    let text = if grpc { "" } else { hop::remedy(code) };
    serve::answer(hop::own_head(grpc, StatusCode::FORBIDDEN, hop::DENY, code.as_str()), text, exchange)
}

impl Arrival {
    fn new(
        worker: &Rc<Worker>,
        live: Rc<Live>,
        peer: SocketAddr,
        addr: SocketAddr,
        identity: Option<SpiffeId>,
        caller: Caller,
    ) -> Self {
        let caller = Rc::new(caller);
        let told = identity.as_ref().filter(|_| !broken::is(broken::Fault::CallerUntold));
        let client_id = told.and_then(|id| HeaderValue::from_str(id.as_str()).ok());
        Self { worker: Rc::clone(worker), live, peer, identity, client_id, caller, app: OnceCell::new(), addr }
    }

    /// The decision, by the policy of this moment; in audit mode with the code that it would have been. The exchange is told the grant.
    fn judge(&self, asked: Asked<'_>, exchange: Option<&Exchange>) -> Result<Option<DenyCode>, DenyCode> {
        let policy = self.worker.policy().ok_or(DenyCode::PolicyPending)?;
        let peer = Peer { identity: self.identity.as_ref(), addr: self.peer.ip() };
        match authorize(&policy, peer, self.addr.port(), asked)? {
            Allowed::Audit(code) => Ok(Some(code)),
            Allowed::Grant(grant) => {
                if let Some(exchange) = exchange {
                    exchange.granted(grant);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Is it the kubelet's, who asks every second? Nobody wants to see that as traffic.
    fn is_probe(&self, asked: Asked<'_>) -> bool {
        let peer = Peer { identity: self.identity.as_ref(), addr: self.peer.ip() };
        peer.identity.is_none()
            && self.worker.policy().is_some_and(|policy| is_probe(&policy, peer, self.addr.port(), asked))
    }

    /// Is there any HTTP request that would be allowed?
    fn may_speak_http(&self) -> bool {
        let peer = Peer { identity: self.identity.as_ref(), addr: self.peer.ip() };
        self.worker.policy().is_some_and(|policy| could_be_allowed(&policy, peer, self.addr.port(), true).is_ok())
    }

    /// The decision, counted.
    fn allow(&self, asked: Asked<'_>, exchange: Option<&Exchange>) -> Result<Option<DenyCode>, DenyCode> {
        let audited = self.judge(asked, exchange)?;
        if let Some(code) = audited {
            self.worker.metrics.audited.count(code);
        }
        Ok(audited)
    }

    /// The decision on a request: every way to read its path must be allowed.
    fn allow_request(&self, request: HttpRequest<'_>, exchange: &Exchange) -> Result<Option<DenyCode>, DenyCode> {
        let exchange = Some(exchange);
        let audited = self.allow(Asked::Http(request), exchange)?;
        let Some(path) = path::loosest(request.path) else { return Ok(audited) };
        let loose = Asked::Http(HttpRequest { path: &path, ..request });
        if audited.is_some() { Ok(audited) } else { self.allow(loose, exchange) }
    }

    /// The application, once something of it was allowed.
    fn app(&self) -> &Rc<BackendState> {
        self.app.get_or_init(|| {
            // What arrives is counted by its caller.
            let edges = Callees::new(&self.worker.edges, Arc::default(), Arc::default(), None);
            Rc::new(BackendState::single("".into(), "".into(), self.worker.app(self.addr), edges))
        })
    }
}
