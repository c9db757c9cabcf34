//! The outbound port as an HTTP proxy, for clients that aren't redirected: absolute-form and CONNECT.

use std::{net::SocketAddr, rc::Rc};

use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use isthmus_core::destination::DestinationKey;

use super::Departure;
use crate::{
    body::Body,
    detect::{self, Protocol, Sniffed},
    edges,
    exchange::Exchange,
    fault::Fault,
    hop,
    limits::OUTBOUND_IDLE,
    live::Live,
    metrics::Direction,
    receive::authority::is_sound,
    serve, spawn,
    transport::{Stream, Transport},
    tunnel,
    worker::Worker,
};

struct Client {
    worker: Rc<Worker>,
    live: Rc<Live>,
    addr: SocketAddr,
}

pub(super) async fn serve(worker: &Rc<Worker>, mut transport: Transport, addr: SocketAddr, live: Rc<Live>) {
    let h2 = match detect::sniff(&mut transport, Some(OUTBOUND_IDLE)).await {
        Ok(Sniffed::Is(Protocol::Http1)) => false,
        Ok(Sniffed::Is(Protocol::Http2)) => true,
        _ => return transport.reset_on_close(),
    };
    let client = Rc::new(Client { worker: Rc::clone(worker), live: Rc::clone(&live), addr });
    let handle = move |request| handle(Rc::clone(&client), request);
    serve::http(Stream::Plain(transport), h2, OUTBOUND_IDLE, &live, handle).await;
}

async fn handle(client: Rc<Client>, mut request: Request<Incoming>) -> Response<Body> {
    hop::strip_proxy_credentials(request.headers_mut());
    let worker = &client.worker;
    let opaque = request.method() == Method::CONNECT && !hop::opens(&request);
    let Some(key) = key_of(request.uri(), opaque) else {
        let watch = &worker.watch;
        let exchange = Rc::new(Exchange::new(Direction::Outbound, watch, client.addr, None, &request));
        return serve::fault(worker, exchange, Fault::BadRequest, hop::is_grpc(request.headers()));
    };
    let destination = worker.look_up(key).await;
    let live = Rc::clone(&client.live);
    let departure = Departure { worker: Rc::clone(worker), live, client: client.addr, destination };
    if opaque {
        return tunnel(departure, request).await;
    }
    super::handle(Rc::new(departure), request).await
}

/// Opens what CONNECT names; it is opaque TCP from then on.
async fn tunnel(departure: Departure, request: Request<Incoming>) -> Response<Body> {
    let watch = &departure.worker.watch;
    let mut exchange = Exchange::new(Direction::Outbound, watch, departure.client, None, &request);
    exchange.protocol = edges::Protocol::Tcp;
    let exchange = Rc::new(exchange);
    let (mut upstream, busy) = match departure.dial(&exchange).await {
        Ok(opened) => opened,
        Err(fault) => return serve::fault(&departure.worker, exchange, fault, false),
    };
    exchange.status.set(StatusCode::OK.as_u16());
    let inside = Rc::clone(&exchange);
    spawn::local(async move {
        let Ok(client) = hyper::upgrade::on(request).await else { return };
        let mut client = TokioIo::new(client);
        tokio::select! {
            () = departure.live.cut() => {}
            _ = tunnel::copy(&mut client, &mut upstream, &inside) => {}
        }
        drop(busy);
    });
    serve::answer(Response::builder(), "", exchange)
}

/// Where a request to the explicit proxy goes. A request without an authority is for nobody, nor is one with user information.
fn key_of(uri: &Uri, opaque: bool) -> Option<DestinationKey> {
    let authority = uri.authority().filter(|a| is_sound(a.as_str().as_bytes()))?;
    let default = if opaque || uri.scheme_str() == Some("https") { None } else { Some(80) };
    let port = authority.port_u16().or(default)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| DestinationKey { host: host.to_ascii_lowercase().into(), port })
}
