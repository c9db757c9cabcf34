//! Taking connections.

use std::{io, rc::Rc};

use futures::FutureExt;
use isthmus_runtime::sockets;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Door, Worker};
use crate::{
    connection::{self, Arrival},
    limits::{BACKLOG, DESCRIPTOR_PAUSE},
};

/// Takes connections until the gateway closes its doors; those that wait at that moment are still taken.
pub(super) async fn accept(worker: &Rc<Worker>, door: Door, closing: CancellationToken) -> io::Result<()> {
    let listener = TcpListener::from_std(door.socket)?;
    let mut short = false;
    // Once the doors are closed: how many may have waited before them.
    let mut waiting = None;
    loop {
        let accepted = match waiting {
            None => tokio::select! {
                accepted = async {
                    worker.admission.places().any().await;
                    listener.accept().await
                } => accepted,
                () = closing.cancelled() => {
                    waiting = Some(BACKLOG);
                    continue;
                }
            },
            Some(left @ 1..) => {
                waiting = Some(left - 1);
                let Some(accepted) = listener.accept().now_or_never() else { return Ok(()) };
                accepted
            }
            Some(_) => return Ok(()),
        };
        match accepted {
            Ok((stream, peer)) => {
                if std::mem::take(&mut short) {
                    tracing::info!("connections are taken again");
                }
                let arrival = Arrival { stream, peer, door: door.addr };
                let worker = Rc::clone(worker);
                // Who may not come in is turned away before anything is spent on it.
                match worker.admit(peer.ip()) {
                    Ok(place) => drop(tokio::task::spawn_local(connection::serve(worker, arrival, place))),
                    Err(refusal) => connection::refuse(&worker, &arrival, refusal),
                }
            }
            // It costs nothing but descriptors that aren't there: what is open goes on.
            Err(error) if sockets::is_shortage(&error) => {
                if !std::mem::replace(&mut short, true) {
                    tracing::warn!(%error, "no connections are taken until others have ended: raise the limit of open files");
                }
                let _ = tokio::time::timeout(DESCRIPTOR_PAUSE, worker.admission.places().freed()).await;
            }
            // The peer has gone before it was taken.
            Err(error) => tracing::debug!(%error, "accept failed"),
        }
    }
}
