//! The edges to the endpoints of one backend.

use std::{
    cell::{OnceCell, RefCell},
    sync::Arc,
};

use isthmus_core::telemetry::Workload;

use super::{Edge, Edges, Key, Protocol};
use crate::metrics::Direction;

/// Who an endpoint has turned out to be; the number changes with it.
pub(crate) type Peer = (u32, Option<Arc<Workload>>);

/// A backend as its edges name it, with an edge for each endpoint and protocol that was used.
#[derive(Debug)]
pub(crate) struct Callees {
    table: Arc<Edges>,
    service: Arc<str>,
    backend: Arc<str>,
    split: Arc<str>,
    /// The last is for requests that found no endpoint.
    places: OnceCell<Box<[[Place; 3]]>>,
}

/// An edge, as long as the endpoint is whom it was found for.
type Place = RefCell<Option<(u32, Arc<Edge>)>>;

impl Callees {
    pub(crate) fn new(table: &Arc<Edges>, service: Arc<str>, backend: Arc<str>, split: Option<Arc<str>>) -> Self {
        let split = split.unwrap_or_default();
        Self { table: Arc::clone(table), service, backend, split, places: OnceCell::new() }
    }

    /// Counts on the edge to one of so many endpoints, or to none that was found.
    pub(crate) fn on_edge(
        &self,
        endpoint: Option<(usize, &RefCell<Peer>)>,
        endpoints: usize,
        protocol: Protocol,
        count: impl FnOnce(&Arc<Edge>),
    ) {
        if !self.table.is_on() {
            return;
        }
        let places = self.places.get_or_init(|| (0..=endpoints).map(|_| Default::default()).collect());
        let index = endpoint.map_or(endpoints, |(index, _)| index);
        let Some(place) = places.get(index).and_then(|of| of.get(protocol.index())) else { return };
        let now = endpoint.map_or(0, |(_, peer)| peer.borrow().0);
        let mut place = place.borrow_mut();
        match &*place {
            Some((then, edge)) if *then == now => count(edge),
            _ => {
                let peer = endpoint.and_then(|(_, peer)| peer.borrow().1.clone());
                let (_, edge) = place.insert((now, self.table.find(self.key(peer, protocol))));
                count(edge);
            }
        }
    }

    fn key(&self, peer: Option<Arc<Workload>>, protocol: Protocol) -> Key {
        Key {
            direction: Direction::Outbound,
            protocol,
            peer,
            client: Arc::default(),
            service: Arc::clone(&self.service),
            backend: Arc::clone(&self.backend),
            split: Arc::clone(&self.split),
        }
    }
}
