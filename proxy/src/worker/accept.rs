//! Taking connections, and telling where they were going.

use std::{io, net::SocketAddr, rc::Rc};

use isthmus_runtime::sockets;
use tokio::net::{TcpListener, TcpStream};

use super::{Door, Worker};
use crate::{
    inbound,
    limits::{DESCRIPTOR_PAUSE, PROBE_AFTER, PROBE_EVERY, PROBES},
    metrics::Direction,
    outbound, spawn,
    transport::Transport,
};

/// Takes connections until the worker ends, those of the drain time too.
pub(super) async fn accept(worker: Rc<Worker>, door: Door) -> io::Result<()> {
    let listener = TcpListener::from_std(door.socket)?;
    let places = Rc::clone(worker.places(door.direction));
    let mut short = false;
    loop {
        places.any().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                if std::mem::take(&mut short) {
                    tracing::info!("connections are taken again");
                }
                let Some(place) = places.take(peer.ip()) else {
                    worker.metrics.refused(door.direction);
                    Transport::tcp(stream).reset_on_close();
                    continue;
                };
                // A client that has vanished without a word is found out, however long its connection may be silent.
                sockets::probe(&stream, PROBE_AFTER, PROBE_EVERY, PROBES);
                let worker = Rc::clone(&worker);
                let (direction, addr) = (door.direction, door.addr);
                spawn::local(async move {
                    arrive(&worker, direction, stream, peer, addr).await;
                    drop(place);
                });
            }
            // It costs nothing but descriptors that aren't there: idle connections are given up, and what is open goes on.
            Err(error) if sockets::is_shortage(&error) => {
                if !std::mem::replace(&mut short, true) {
                    tracing::warn!(%error, "no connections are taken until others have ended: raise the limit of open files");
                }
                worker.shed();
                let _ = tokio::time::timeout(DESCRIPTOR_PAUSE, places.freed()).await;
            }
            // The peer has gone before it was taken.
            Err(error) => tracing::debug!(%error, "accept failed"),
        }
    }
}

async fn arrive(worker: &Rc<Worker>, direction: Direction, stream: TcpStream, peer: SocketAddr, door: SocketAddr) {
    let original = match worker.config.original.of(&stream) {
        Ok(original) => original.filter(|o| *o != door),
        Err(error) => return tracing::warn!(%peer, %error, "the original destination can't be found out"),
    };
    let transport = Transport::tcp(stream);
    match direction {
        Direction::Outbound => outbound::serve(worker, transport, peer, original).await,
        Direction::Inbound => inbound::serve(worker, transport, peer, original).await,
    }
}
