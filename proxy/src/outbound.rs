//! What leaves the pod: where to, which backend, which endpoint, and on in mesh TLS.

mod explicit;

use std::{io, net::SocketAddr, rc::Rc, sync::Arc};

use http::{Request, Response};
use hyper::body::Incoming;
use isthmus_core::{
    destination::{DestinationKey, Endpoint},
    failover::PROBE_EVERY,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    backend::{BackendState, Chosen, Search},
    body::Body,
    detect::{self, Protocol, Sniffed},
    edges::Callees,
    endpoint::{Alpn, Busy},
    exchange::Exchange,
    fault::Fault,
    forward, hop,
    limits::{CONNECT_TRIES, DETECT_SILENCE, OUTBOUND_IDLE, REFUSED_SILENCE},
    live::Live,
    metrics::Direction,
    receive::receive,
    route::Destination,
    serve, tcp, trace,
    transport::{Stream, Transport},
    worker::Worker,
};

/// One of the application's connections.
struct Departure {
    worker: Rc<Worker>,
    live: Rc<Live>,
    client: SocketAddr,
    destination: Rc<Destination>,
}

/// Serves one departing connection.
pub(crate) async fn serve(worker: &Rc<Worker>, transport: Transport, client: SocketAddr, original: Option<SocketAddr>) {
    let live = worker.registry.register(Direction::Outbound, client.ip(), original.map_or(0, |o| o.port()));
    let Some(original) = original else {
        return explicit::serve(worker, transport, client, live).await;
    };
    if worker.is_own_listener(original) {
        worker.metrics.fault(Fault::Loop);
        return transport.reset_on_close();
    }
    let key = DestinationKey { host: original.ip().to_canonical().to_string().into(), port: original.port() };
    let destination = worker.look_up(key).await;
    let departure = Departure { worker: Rc::clone(worker), live, client, destination };
    departure.serve(transport).await;
}

impl Departure {
    async fn serve(self, mut transport: Transport) {
        let Some(route) = self.destination.route() else { return };
        let sniffed = match detect::hinted(route.protocol()) {
            Some(protocol) => Ok(Sniffed::Is(protocol)),
            None if self.destination.server_first.get() => Ok(Sniffed::Silent),
            None => detect::sniff(&mut transport, Some(DETECT_SILENCE)).await,
        };
        match sniffed {
            Ok(Sniffed::Silent) => self.silent(transport).await,
            Ok(sniffed) => self.heard(transport, sniffed).await,
            Err(_) => {}
        }
    }

    async fn heard(self, transport: Transport, sniffed: Sniffed) {
        match sniffed {
            Sniffed::Is(Protocol::Http1) => self.http(transport, false).await,
            Sniffed::Is(Protocol::Http2) => self.http(transport, true).await,
            Sniffed::Is(_) => {
                let exchange = self.exchange();
                match self.dial(&exchange).await {
                    Ok((upstream, _busy)) => {
                        tcp::relay(Stream::Plain(transport), upstream, &exchange, &self.live).await
                    }
                    Err(fault) => self.give_up(&exchange, fault, &transport),
                }
            }
            Sniffed::Silent | Sniffed::Closed => {}
        }
    }

    /// The client waits, so the server may be the one to speak first: it is opened, and whoever speaks decides.
    async fn silent(self, mut transport: Transport) {
        let exchange = self.exchange();
        let mut fault = Fault::Closed;
        let sniffed = match self.dial(&exchange).await {
            Err(met) => {
                fault = met;
                detect::sniff(&mut transport, Some(REFUSED_SILENCE)).await
            }
            Ok((mut upstream, _busy)) => {
                let mut first = [0];
                tokio::select! {
                    read = upstream.read(&mut first) => {
                        if let Ok(1) = read {
                            self.destination.server_first.set(true);
                            if transport.write_all(&first).await.is_ok() {
                                exchange.moved(0, 1);
                                tcp::relay(Stream::Plain(transport), upstream, &exchange, &self.live).await;
                            }
                            return;
                        }
                        // The server closed: it doesn't take opaque TCP here, but the client may yet speak HTTP. A reset says that
                        // HTTP would be denied too; a client that is about to speak it is still told so.
                        let refused = read.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
                        detect::sniff(&mut transport, Some(if refused { REFUSED_SILENCE } else { OUTBOUND_IDLE })).await
                    }
                    sniffed = detect::sniff(&mut transport, None) => match sniffed {
                        Ok(Sniffed::Is(Protocol::Opaque | Protocol::Tls)) => {
                            return tcp::relay(Stream::Plain(transport), upstream, &exchange, &self.live).await;
                        }
                        other => other,
                    },
                    () = self.live.cut() => return,
                }
            }
        };
        if let Ok(Sniffed::Silent) = sniffed {
            return self.give_up(&exchange, fault, &transport);
        }
        exchange.forget();
        if let Ok(sniffed) = sniffed {
            self.live.set_peer(None);
            self.heard(transport, sniffed).await;
        }
    }

    async fn http(self, transport: Transport, h2: bool) {
        let live = Rc::clone(&self.live);
        let departure = Rc::new(self);
        serve::http(Stream::Plain(transport), h2, OUTBOUND_IDLE, &live, move |request| {
            handle(Rc::clone(&departure), request)
        })
        .await;
    }

    fn exchange(&self) -> Exchange {
        Exchange::tcp(Direction::Outbound, &self.worker.watch, self.client, None)
    }

    fn give_up(&self, exchange: &Exchange, fault: Fault, transport: &Transport) {
        self.worker.metrics.fault(fault);
        exchange.fault.set(Some(fault));
        transport.reset_on_close();
    }

    /// Opens a TCP connection to what the destination means now; it stays there whatever the split becomes.
    async fn dial(&self, exchange: &Exchange) -> Result<(Stream, Option<Busy>), Fault> {
        let backend = self.destination.route().and_then(|route| route.backend_for_tcp());
        let backend = match backend {
            Some(backend) => backend,
            None => self.passthrough().await?,
        };
        let _ = exchange.backend.set(Rc::clone(&backend));
        let mut tried = Vec::new();
        let mut last = Fault::NoEndpoints;
        for left in (1..=CONNECT_TRIES).rev() {
            // Nobody has heard anything of the client before a connection is there.
            let search = Search { tried: &tried, left, probe: (left > 1).then_some(PROBE_EVERY) };
            let Some(Chosen { index, endpoint, .. }) = backend.choose(&self.worker, &search) else { break };
            endpoint.called(self.worker.now());
            exchange.choose(index, endpoint.endpoint.addr);
            match endpoint.dial(&self.worker, Alpn::Tcp).await {
                Ok(stream) => {
                    endpoint.load.borrow_mut().reach(self.worker.now());
                    self.live.set_peer(endpoint.endpoint.identity.clone());
                    return Ok((stream, Some(Busy::new(&self.worker, endpoint))));
                }
                Err(fault) => last = fault,
            }
            tried.push(index);
        }
        Err(last)
    }

    /// What isn't known is called as it was asked for, past the mesh.
    async fn passthrough(&self) -> Result<Rc<BackendState>, Fault> {
        let key = &self.destination.key;
        let addr = match key.host.parse() {
            Ok(ip) => SocketAddr::new(ip, key.port),
            Err(_) => {
                let found = tokio::net::lookup_host((&*key.host, key.port)).await;
                found.ok().and_then(|mut all| all.next()).ok_or(Fault::ConnectFailed)?
            }
        };
        let endpoint = Endpoint::local(addr, None, "");
        let (endpoint, name) = (self.worker.endpoint(&endpoint, None), Arc::<str>::from("passthrough"));
        let edges = Callees::new(&self.worker.edges, Arc::default(), Arc::clone(&name), None);
        Ok(Rc::new(BackendState::single(Arc::clone(&key.host), name, endpoint, edges)))
    }
}

async fn handle(departure: Rc<Departure>, mut request: Request<Incoming>) -> Response<Body> {
    let worker = &departure.worker;
    let watch = &worker.watch;
    let exchange = Rc::new(Exchange::new(Direction::Outbound, watch, departure.client, None, &request));
    if let Err(fault) = receive(&mut request, Direction::Outbound) {
        let grpc = exchange.is_grpc();
        return serve::fault(worker, exchange, fault, grpc);
    }
    trace::begin(worker, &exchange, &mut request);
    let matched = hop::as_matched(&request);
    let backend = match departure.destination.route().and_then(|route| route.backend_for(matched)) {
        Some(backend) => backend,
        None => match Box::pin(departure.passthrough()).await {
            Ok(backend) => backend,
            Err(fault) => {
                let grpc = exchange.is_grpc();
                return serve::fault(worker, exchange, fault, grpc);
            }
        },
    };
    let _ = exchange.backend.set(Rc::clone(&backend));
    let live = Rc::clone(&departure.live);
    forward::forward(worker, &backend, request, exchange, &live).await
}
