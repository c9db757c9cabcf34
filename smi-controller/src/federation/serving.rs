//! Publishing this mesh's bundle to whoever asks.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use isthmus_federation::bundle_endpoint::serve;
use isthmus_identity::Document;
use rustls::ServerConfig;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::ca::{Roots, SharedRoots};

/// How often others are asked to look: a rotation waits for no one who isn't a peer, so it is short.
const REFRESH: Duration = Duration::from_secs(60);

/// Serves the present bundle as a SPIFFE bundle document, until `stop`.
pub(crate) async fn publish(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    mut roots: SharedRoots,
    stop: CancellationToken,
) {
    let first = document(&roots.borrow_and_update());
    let (send, documents) = watch::channel(first.unwrap_or_default());
    let follow = async {
        while roots.changed().await.is_ok() {
            if let Some(next) = document(&roots.borrow_and_update()) {
                send.send_replace(next);
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = follow => {}
        () = serve(listener, tls, documents, stop) => {}
    }
}

/// Roots that can't be written down (of a kind of key that SPIFFE doesn't know) leave what was published before.
fn document(roots: &Roots) -> Option<Bytes> {
    let written = Document::of(&roots.bundle(), REFRESH);
    written.inspect_err(|error| tracing::warn!(%error, "the bundle can't be published")).ok().map(Bytes::from)
}
