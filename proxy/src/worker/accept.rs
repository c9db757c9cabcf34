//! Taking connections, and telling where they were going.

use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{Door, Worker};
use crate::{inbound, limits::CONNECTIONS, metrics::Direction, outbound, spawn, transport::Transport};

/// Takes connections until the worker ends, those of the drain time too.
pub(super) async fn accept(worker: Rc<Worker>, door: Door) -> io::Result<()> {
    let listener = TcpListener::from_std(door.socket)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let worker = Rc::clone(&worker);
                let (direction, addr) = (door.direction, door.addr);
                spawn::local(async move {
                    arrive(&worker, direction, stream, peer, addr).await;
                    drop(place);
                });
            }
            // The peer has gone, or file descriptors are short: others are served meanwhile.
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
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
