//! What is known of the cluster, by kind. Everything here is synchronous and does no IO: an object comes in, its own
//! small form is kept, and what has changed is said as facts, so that only what depends on them is compiled again.

mod causal;
mod changes;
mod endpoint_slices;
mod fact;
mod federation;
mod holds;
mod http_routes;
mod identity_bindings;
mod namespaces;
mod pods;
mod port_routes;
pub(crate) mod read;
mod roster;
pub(crate) mod seen;
mod service_accounts;
mod services;
mod splits;
mod table;
mod taps;
mod targets;

use std::collections::BTreeMap;

use isthmus_k8s::watch::{Change, Malformed};

pub(crate) use causal::Look;
pub(crate) use changes::{KINDS, Update};
pub(crate) use endpoint_slices::Slice;
pub(crate) use fact::{Fact, Facts};
pub(crate) use federation::{
    Cluster, Endpoint, Export, Hub, Import, Mesh, Peer, REVOCATION, RemoteEndpoint, RemotePort, Told,
};
pub(crate) use holds::HOLD;
pub(crate) use http_routes::Group;
pub(crate) use identity_bindings::Binding;
pub(crate) use namespaces::NamespaceInfo;
pub(crate) use pods::Pod;
pub(crate) use port_routes::{PortRoute, UDP_NOT_ENFORCED};
#[cfg(test)]
pub(crate) use roster::MAX_GONE;
pub(crate) use roster::Roster;
pub(crate) use services::{Exposure, Service, ServicePort, version as service_version};
pub(crate) use splits::{Backend, Split};
pub(crate) use table::{Object, Table};
pub(crate) use taps::{TapAt, TapTarget};
pub(crate) use targets::{Rule, Subject, SubjectKind, Target};

use crate::{
    compile::Settings,
    fault::{Kind, ObjectRef},
};

/// Everything that is known of the cluster.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) settings: Settings,
    pub(crate) services: services::Services,
    pub(crate) slices: endpoint_slices::EndpointSlices,
    pub(crate) pods: pods::Pods,
    pub(crate) accounts: service_accounts::ServiceAccounts,
    pub(crate) namespaces: namespaces::Namespaces,
    pub(crate) splits: splits::Splits,
    pub(crate) targets: targets::Targets,
    pub(crate) groups: Table<Group>,
    pub(crate) tcp_routes: Table<PortRoute>,
    pub(crate) udp_routes: Table<PortRoute>,
    pub(crate) bindings: Table<Binding>,
    pub(crate) meshes: Table<Mesh>,
    pub(crate) peers: federation::Peers,
    pub(crate) exports: federation::Exports,
    pub(crate) imports: federation::Imports,
    pub(crate) seen: seen::Seen,
    pub(crate) roster: Roster,
    pub(crate) taps: taps::Taps,
    /// Objects whose present form can't be read.
    pub(crate) malformed: BTreeMap<ObjectRef, Malformed>,
}

impl Index {
    /// Knows nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            services: services::Services::default(),
            slices: endpoint_slices::EndpointSlices::default(),
            pods: pods::Pods::default(),
            accounts: service_accounts::ServiceAccounts::default(),
            namespaces: namespaces::Namespaces::default(),
            splits: splits::Splits::default(),
            targets: targets::Targets::default(),
            groups: Table::new(Kind::HttpRouteGroup),
            tcp_routes: Table::new(Kind::TcpRoute),
            udp_routes: Table::new(Kind::UdpRoute),
            bindings: Table::new(Kind::IdentityBinding),
            meshes: Table::new(Kind::Mesh),
            peers: federation::Peers::default(),
            exports: federation::Exports::default(),
            imports: federation::Imports::default(),
            seen: seen::Seen::default(),
            roster: Roster::default(),
            taps: taps::Taps::default(),
            malformed: BTreeMap::new(),
        }
    }

    /// Takes a change in, and adds what it changed to `facts`.
    pub(crate) fn update(&mut self, update: Update, facts: &mut Facts) {
        self.seen.note(&update);
        self.roster.note(&update);
        match update {
            Update::Service(Change::Applied(o)) => self.services.apply(&o, facts),
            Update::Service(Change::Deleted(n)) => self.services.delete(&n, facts),
            Update::EndpointSlice(Change::Applied(o)) => self.slices.apply(&o, facts),
            Update::EndpointSlice(Change::Deleted(n)) => self.slices.delete(&n, facts),
            Update::Pod(Change::Applied(o)) => self.pods.apply(&o, facts),
            Update::Pod(Change::Deleted(n)) => self.pods.delete(&n, facts),
            Update::ServiceAccount(Change::Applied(o)) => self.accounts.apply(&o, facts),
            Update::ServiceAccount(Change::Deleted(n)) => self.accounts.delete(&n, facts),
            Update::Namespace(Change::Applied(o)) => self.namespaces.apply(&o, facts),
            Update::Namespace(Change::Deleted(n)) => self.namespaces.delete(&n.name, facts),
            Update::Split(change) => {
                let domain = self.settings.cluster_domain.clone();
                let change = self.readable(Kind::TrafficSplit, change, facts);
                self.splits.change(change.map(|c| c.map(|o| read::split(&o, &domain))), facts);
            }
            Update::Target(change) => {
                let change = self.readable(Kind::TrafficTarget, change, facts);
                self.targets.change(change.map(|c| c.map(|o| read::target(&o))), facts);
            }
            Update::Group(change) => {
                let change = self.readable(Kind::HttpRouteGroup, change, facts);
                let changed = self.groups.change(change.map(|c| c.map(|o| read::group(&o))), facts);
                http_routes::tell(&self.groups, changed, facts);
            }
            Update::TcpRoute(change) => {
                let change = self.readable(Kind::TcpRoute, change, facts);
                self.tcp_routes.change(change.map(|c| c.map(|o| read::tcp(&o))), facts);
            }
            Update::UdpRoute(change) => {
                let change = self.readable(Kind::UdpRoute, change, facts);
                self.udp_routes.change(change.map(|c| c.map(|o| read::udp(&o))), facts);
            }
            Update::Binding(change) => {
                let change = self.readable(Kind::IdentityBinding, change, facts);
                self.bindings.change(change.map(|c| c.map(|o| read::binding(&o))), facts);
            }
            Update::Mesh(change) => {
                let change = self.readable(Kind::Mesh, change, facts);
                self.meshes.change(change.map(|c| c.map(|o| read::mesh(&o))), facts);
            }
            Update::Peer(change) => {
                let change = self.readable(Kind::MeshPeer, change, facts);
                self.peers.change(change.map(|c| c.map(|o| read::peer(&o))), facts);
            }
            Update::Export(change) => {
                let change = self.readable(Kind::ExportedService, change, facts);
                self.exports.change(change.map(|c| c.map(|o| read::export(&o))), facts);
            }
            Update::Tap(id, tap) => self.taps.set(id, tap, facts),
            Update::Told(told) => self.exports.tell(told, facts),
            Update::Import(change) => {
                let change = self.readable(Kind::ImportedService, change, facts);
                self.imports.change(change.map(|c| c.map(|o| read::import(&o))), facts);
            }
            // Of the built-in kinds the API server itself vouches for the shape.
            Update::Service(_)
            | Update::EndpointSlice(_)
            | Update::Pod(_)
            | Update::ServiceAccount(_)
            | Update::Namespace(_) => {}
        }
    }

    /// The change, unless it can't be read: then the last good form stays, and the fault is kept to be shown.
    fn readable<T: kube::ResourceExt>(
        &mut self,
        kind: Kind,
        change: Change<T>,
        facts: &mut Facts,
    ) -> Option<table::Applied<T>> {
        let (name, applied) = match change {
            Change::Applied(object) => (table::name_of(&object), table::Applied::Now(object)),
            Change::Deleted(name) => (name.clone(), table::Applied::Gone(name)),
            Change::Malformed(malformed) => {
                let object = ObjectRef { kind, name: malformed.name.clone() };
                facts.insert(Fact::Object(object.clone()));
                self.malformed.insert(object, malformed);
                return None;
            }
            Change::Synced => return None,
        };
        let object = ObjectRef { kind, name };
        if self.malformed.remove(&object).is_some() {
            facts.insert(Fact::Object(object));
        }
        Some(applied)
    }
}

#[cfg(test)]
mod tests;
