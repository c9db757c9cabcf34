//! Asking bundle endpoints: of meshes with which there is no hub in common, and of what else speaks SPIFFE, as SPIRE does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_federation::bundle_endpoint::{DEFAULT_POLL, Fetcher, next_poll, take};
use isthmus_identity::{Bundle, Document, HeldBundle, TrustStore};
use isthmus_runtime::backoff::jitter;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::task::AbortOnDropHandle;

use crate::index::{Endpoint, Peer};

/// Answers that wait to be taken in.
const QUEUE: usize = 64;

/// What came of asking.
pub(super) type Answer = (MeshName, Result<HeldBundle, String>);

/// The endpoints that are asked, each by a task of its own.
pub(super) struct Endpoints {
    asked: BTreeMap<MeshName, (Endpoint, AbortOnDropHandle<()>)>,
    send: mpsc::Sender<Answer>,
    answers: mpsc::Receiver<Answer>,
}

impl Default for Endpoints {
    fn default() -> Self {
        let (send, answers) = mpsc::channel(QUEUE);
        Self { asked: BTreeMap::new(), send, answers }
    }
}

impl Endpoints {
    /// Asks those of these peers, and no others.
    pub(super) fn ask<'p>(&mut self, peers: impl Iterator<Item = (&'p MeshName, &'p Peer)>) {
        let wanted: BTreeMap<_, _> =
            peers.filter_map(|(mesh, peer)| Some((mesh, (peer.endpoint.as_ref()?, peer)))).collect();
        self.asked.retain(|mesh, (endpoint, _)| wanted.get(mesh).is_some_and(|(now, _)| *now == endpoint));
        for (mesh, (endpoint, peer)) in wanted {
            if let Some(domain) = peer.trust_domain.clone().filter(|_| !self.asked.contains_key(mesh)) {
                let held = peer.bundle.as_ref().map(|held| held.bundle().clone());
                let task = self.start(mesh.clone(), domain, endpoint.clone(), held);
                self.asked.insert(mesh.clone(), (endpoint.clone(), AbortOnDropHandle::new(task)));
            }
        }
    }

    /// The next answer that says something new. It never ends without any.
    pub(super) async fn next(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            // The sender lives as long as this.
            None => std::future::pending().await,
        }
    }

    fn start(&self, mesh: MeshName, domain: TrustDomain, endpoint: Endpoint, held: Option<Bundle>) -> JoinHandle<()> {
        let (send, Endpoint { url, profile, initial }) = (self.send.clone(), endpoint);
        tokio::spawn(async move {
            let mut held = held.or(initial);
            let (mut failures, mut told) = (0, None);
            loop {
                let trusted = Arc::new(TrustStore::with(held.as_slice()).unwrap_or_default());
                let fetched = Fetcher::new(trusted).fetch(&url, &profile, domain.clone()).await;
                let hint = fetched.as_ref().ok().and_then(|document| document.refresh_hint);
                let taken = fetched
                    .map_err(|error| error.to_string())
                    .and_then(|document| take(held.as_ref(), document).map_err(|error| error.to_string()));
                let answer = match taken {
                    Ok(bundle) => {
                        (failures, told) = (0, None);
                        bundle.map(|bundle| {
                            held = Some(bundle.clone());
                            hold(&bundle, hint)
                        })
                    }
                    // What is held stays. The same failure is told once.
                    Err(why) => {
                        failures = u32::saturating_add(failures, 1);
                        let news = told.as_ref() != Some(&why);
                        told = Some(why.clone());
                        news.then_some(Err(why))
                    }
                };
                if let Some(answer) = answer
                    && send.send((mesh.clone(), answer)).await.is_err()
                {
                    return;
                }
                tokio::time::sleep(next_poll(hint, failures, jitter())).await;
            }
        })
    }
}

/// The bundle as it is kept.
fn hold(bundle: &Bundle, hint: Option<Duration>) -> Result<HeldBundle, String> {
    let document = Document::of(bundle, hint.unwrap_or(DEFAULT_POLL)).map_err(|error| error.to_string())?;
    HeldBundle::restore(bundle.trust_domain.clone(), document.into_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use isthmus_identity::{Authority, ClientCerts, MeshTls, SvidCell};
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        federation::publish,
        identity,
        index::Index,
        testing::{global, index_of},
    };

    fn peer_of(index: &Index) -> (MeshName, Peer) {
        let peer = index.peers.iter().next().unwrap();
        ("west".parse().unwrap(), peer.content.clone())
    }

    #[tokio::test]
    async fn the_bundle_of_a_mesh_is_taken_from_where_it_publishes_it() {
        let domain = TrustDomain::new("west.local").unwrap();
        let hour = Duration::from_secs(3600);
        let west = Authority::generate(domain, SystemTime::now(), hour).unwrap();
        let id = "spiffe://west.local/ns/isthmus-system/sa/isthmus-controller".parse().unwrap();
        let cell = Arc::new(SvidCell::new());
        cell.set(identity::issue(&west, &id, hour).unwrap());
        let tls = MeshTls::new(Arc::new(TrustStore::new()), cell);
        let tls = tls.server_config(&[b"http/1.1"], ClientCerts::Optional).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let roots = crate::ca::Roots::fixed(Arc::new(west));
        let published = roots.borrow().bundle();
        let stop = CancellationToken::new();
        let _end = stop.clone().drop_guard();
        tokio::spawn(publish(listener, tls, roots, stop));

        // It begins with the roots alone, of an older sequence.
        let known = Document::of(&Bundle { sequence: 1, ..published.clone() }, hour).unwrap();
        let endpoint = json!({"url": url, "spiffeId": id, "initialBundle": known});
        let spec = json!({"trustDomain": "west.local", "bundleEndpoint": endpoint});
        let (mesh, peer) = peer_of(&index_of([global("MeshPeer", "west", spec)]));
        let mut endpoints = Endpoints::default();
        endpoints.ask([(&mesh, &peer)].into_iter());
        let (from, held) = endpoints.next().await;
        assert_eq!((from, held.unwrap().bundle().clone()), (mesh.clone(), published));

        // Another mesh's ID at the same place is refused, and told.
        let endpoint = json!({"url": url, "spiffeId": "spiffe://west.local/ns/shop/sa/web", "initialBundle": known});
        let spec = json!({"trustDomain": "west.local", "bundleEndpoint": endpoint});
        let (_, peer) = peer_of(&index_of([global("MeshPeer", "west", spec)]));
        endpoints.ask([(&mesh, &peer)].into_iter());
        let (_, refused) = endpoints.next().await;
        assert!(refused.unwrap_err().contains("TLS"));
    }

    #[test]
    fn an_endpoint_that_can_not_be_read_is_told_and_not_asked() {
        for (endpoint, field) in [
            (json!({"url": "http://west/"}), "url"),
            (json!({"url": "https://west/", "spiffeId": "west"}), "spiffeId"),
            (json!({"url": "https://west/", "initialBundle": "{}"}), "initialBundle"),
        ] {
            let spec = json!({"trustDomain": "west.local", "bundleEndpoint": endpoint});
            let index = index_of([global("MeshPeer", "west", spec)]);
            let peer = index.peers.iter().next().unwrap();
            assert!(peer.content.endpoint.is_none());
            let message = &peer.faults.first().unwrap().message;
            assert!(message.starts_with(&format!("spec.bundleEndpoint.{field}: ")), "{message}");
        }
    }
}
