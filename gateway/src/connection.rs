//! One connection, from its first byte to its end.

use std::{future::Future, net::SocketAddr, rc::Rc, time::Instant};

use bytes::BytesMut;
use isthmus_core::{federation::RemoteName, gateway::Found};
use isthmus_proxy::places::Place;
use isthmus_runtime::sockets;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    dial::{self, Busy},
    hello::{self, Hello},
    live::{Cut, Live},
    metrics::{Direction, Edge},
    passing::Pass,
    refusal::Refusal,
    relay::{self, Tally},
    worker::Worker,
};

/// A connection that was taken.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    /// Who has connected; behind a balancer its client, once it is named.
    pub(crate) peer: SocketAddr,
    /// The listener.
    pub(crate) door: SocketAddr,
}

/// A connection that has somewhere to go.
struct Way<'w> {
    name: RemoteName,
    edge: Rc<Edge>,
    server: TcpStream,
    busy: Busy,
    _pass: Pass<'w>,
}

/// Turns a connection away: a reset, which nobody can take for a regular end.
pub(crate) fn refuse(worker: &Worker, arrival: &Arrival, why: Refusal) {
    worker.metrics.refused(why);
    tracing::debug!(peer = %arrival.peer, reason = why.code(), "refused");
    sockets::reset_on_close(&arrival.stream);
}

/// Serves one connection.
pub(crate) async fn serve(worker: Rc<Worker>, mut arrival: Arrival, place: Place) {
    let live = worker.registry.register();
    // Boxed, like all that is over before the connection is long-lived.
    let opened = Box::pin(until_cut(&live, open(&worker, &mut arrival, place, &live))).await;
    match opened {
        Ok(Ok((way, place))) => {
            pass_on(&worker, arrival, way, &live).await;
            drop(place);
        }
        Ok(Err(why)) => refuse(&worker, &arrival, why),
        Err(cut) => {
            worker.metrics.cut(cut);
            sockets::reset_on_close(&arrival.stream);
        }
    }
}

/// Goes on until the connection is to be cut.
async fn until_cut<T>(live: &Live, work: impl Future<Output = T>) -> Result<T, Cut> {
    tokio::select! {
        cut = live.cut() => Err(cut),
        done = work => Ok(done),
    }
}

/// Finds out where the connection goes, and connects to it.
async fn open<'w>(
    worker: &'w Rc<Worker>,
    arrival: &mut Arrival,
    place: Place,
    live: &Live,
) -> Result<(Way<'w>, Place), Refusal> {
    let began = Instant::now();
    let heard = tokio::time::timeout(worker.config.bounds.hello_time, hear(worker, arrival, place));
    let (Hello { bytes, name, random }, place) = heard.await.unwrap_or(Err(Refusal::HelloSlow))?;
    worker.metrics.hello.observe(began.elapsed().as_secs_f64());
    live.goes_to(name.clone());
    let routes = worker.routes().ok_or(Refusal::NoRoutes)?;
    let found = routes.find(&name)?;
    let pass = worker.passing.enter(random).ok_or(Refusal::Loop)?;
    let direction = match found {
        Found::Gateways(_) if worker.is_outsider(arrival.peer.ip()) => return Err(Refusal::Outsider),
        Found::Gateways(_) => Direction::Egress,
        Found::One(_) | Found::Any(_) => Direction::Ingress,
    };
    let edge = worker.edge(direction, &name);
    let (mut server, busy) = dial::dial(worker, found, &edge).await?;
    // As its listener has set the client's; a socket that refuses the option still works.
    let _ = server.set_nodelay(true);
    server.write_all(&bytes).await.map_err(|_| Refusal::Unreached)?;
    edge.received.inc_by(u64::try_from(bytes.len()).unwrap_or_default());
    Ok((Way { name, edge, server, busy, _pass: pass }, place))
}

/// Hears a balancer's word, and the ClientHello. The place that is given back is that of whom the balancer has named.
async fn hear(worker: &Worker, arrival: &mut Arrival, mut place: Place) -> Result<(Hello, Place), Refusal> {
    let mut bytes = BytesMut::new();
    if worker.is_balancer(arrival.peer.ip())
        && let Some(client) = hello::preface(&mut arrival.stream, &mut bytes).await?
    {
        arrival.peer = client;
        worker.admission.arrive(client.ip(), worker.now())?;
        place = worker.admission.place(client.ip())?;
    }
    Ok((hello::hello(&mut arrival.stream, bytes).await?, place))
}

async fn pass_on(worker: &Worker, mut arrival: Arrival, mut way: Way<'_>, live: &Live) {
    let Way { name, edge, server, busy, .. } = &mut way;
    edge.connections.inc();
    edge.open.inc();
    let (began, client) = (Instant::now(), &mut arrival.stream);
    let tally = Tally { live, received: &edge.received, sent: &edge.sent };
    let ended = until_cut(live, relay::relay(&worker.means, client, server, tally)).await;
    edge.open.dec();
    let end = match &ended {
        Ok(Ok(())) => "closed",
        Ok(Err(_)) => "reset",
        Err(cut) => cut.code(),
    };
    if let Err(cut) = ended {
        worker.metrics.cut(cut);
    }
    if !matches!(ended, Ok(Ok(()))) {
        sockets::reset_on_close(client);
        sockets::reset_on_close(server);
    }
    if worker.config.access_log {
        let duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access", client = %arrival.peer, listener = %arrival.door, server_name = %name, endpoint = %busy.addr,
            end, duration_us, "relayed"
        );
    }
}
