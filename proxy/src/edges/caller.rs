//! The edges of one arriving connection.

use std::{cell::OnceCell, sync::Arc};

use isthmus_core::{federation::RemoteName, id::SpiffeId, telemetry::Workload};

use super::{Edge, Edges, Key, Open, Protocol};
use crate::{access_log::Memo, metrics::Direction};

/// Who has opened a connection, and what it calls; an edge for each protocol that is spoken on it.
#[derive(Debug)]
pub(crate) struct Caller {
    table: Arc<Edges>,
    who: Option<(SpiffeId, Arc<Workload>)>,
    service: Option<Arc<str>>,
    edges: [OnceCell<Arc<Edge>>; 3],
    open: OnceCell<Open>,
    memo: Memo,
}

impl Caller {
    /// Somebody without an identity.
    pub(crate) fn unknown(table: &Arc<Edges>) -> Self {
        Self {
            table: Arc::clone(table),
            who: None,
            service: None,
            edges: Default::default(),
            open: OnceCell::new(),
            memo: Memo::default(),
        }
    }

    /// A workload of a mesh that has called by this name (SNI). A name counts only if it is one of a Service of the own mesh and
    /// namespace, where alone the pod can be an endpoint.
    pub(crate) fn known(
        table: &Arc<Edges>,
        id: SpiffeId,
        workload: Workload,
        called: Option<&str>,
        mesh: &str,
    ) -> Self {
        let service = called.and_then(|name| name.parse::<RemoteName>().ok());
        let service =
            service.filter(|name| name.mesh.as_str() == mesh && *name.service.namespace == *table.namespace());
        let service = service.map(|name| table.service(&name.service.to_string()));
        Self { who: Some((id, Arc::new(workload))), service, ..Self::unknown(table) }
    }

    /// Counts on the edge of a protocol.
    pub(crate) fn on_edge(&self, protocol: Protocol, count: impl FnOnce(&Arc<Edge>)) {
        if self.table.is_on()
            && let Some(edge) = self.edges.get(protocol.index())
        {
            count(edge.get_or_init(|| self.table.find(self.key(protocol))));
        }
    }

    /// The connection is open, and this is spoken first.
    pub(crate) fn connected(&self, protocol: Protocol) {
        if self.open.get().is_none() {
            self.on_edge(protocol, |edge| drop(self.open.set(Open::on(edge))));
        }
    }

    /// The workload, if it has proved who it is.
    pub(crate) fn workload(&self) -> Option<&Arc<Workload>> {
        self.who.as_ref().map(|(_, workload)| workload)
    }

    /// What all its lines of the access log have in common.
    pub(crate) fn memo(&self) -> &Memo {
        &self.memo
    }

    /// The Service that was called.
    pub(crate) fn service(&self) -> Option<&Arc<str>> {
        self.service.as_ref()
    }

    fn key(&self, protocol: Protocol) -> Key {
        Key {
            direction: Direction::Inbound,
            protocol,
            peer: self.who.as_ref().map(|(_, workload)| Arc::clone(workload)),
            client: self.who.as_ref().map_or("none", |(id, _)| id.as_str()).into(),
            service: self.service.clone().unwrap_or_default(),
            backend: Arc::default(),
            split: Arc::default(),
        }
    }
}
