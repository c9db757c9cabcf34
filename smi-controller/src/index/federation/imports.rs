//! ImportedServices, with what the leader has written of the other mesh's catalog.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use isthmus_core::{
    federation::{MeshName, Token},
    id::{ObjectName, SpiffeId},
};
use isthmus_k8s::federation::{ClusterCatalog, ClusterConflict, Freshness, ImportedService};
use k8s_openapi::jiff::Timestamp;

use super::duration;
use crate::{
    fault::{Fault, Kind, Reason},
    index::{
        Fact, Facts, Object,
        table::{Applied, Table, name_of},
    },
    names,
};

/// How long an import may be used without word from its mesh, where it doesn't say.
const MAX_STALE: Duration = Duration::from_secs(3600);
/// The place of an import among those that stand in for a Service, where it doesn't say.
const PRIORITY: u8 = 1;

/// An import with its names read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// Where from. `None`: the import has no effect.
    pub(crate) from: Option<(MeshName, ObjectName)>,
    /// The Service that is made for it.
    pub(crate) local: ObjectName,
    pub(crate) max_stale: Duration,
    /// Services that it stands in for, and in which place.
    pub(crate) failover: BTreeMap<ObjectName, u8>,
    /// What each of the mesh's clusters says of it.
    pub(crate) clusters: Vec<Cluster>,
    /// Where these differ.
    pub(crate) conflicts: BTreeSet<ClusterConflict>,
}

/// What one cluster of the other mesh says of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) name: Arc<str>,
    pub(crate) state: Freshness,
    pub(crate) gateways: Vec<SocketAddr>,
    pub(crate) ports: Vec<RemotePort>,
    pub(crate) endpoints: Vec<RemoteEndpoint>,
}

/// A port of the service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RemotePort {
    pub(crate) port: u16,
    pub(crate) name: Arc<str>,
    pub(crate) app_protocol: Option<Arc<str>>,
}

/// A pod of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteEndpoint {
    pub(crate) token: Token,
    pub(crate) identity: SpiffeId,
    /// The Service's ports that it serves.
    pub(crate) ports: BTreeSet<u16>,
    /// Its own addresses, where its mesh calls the network flat, by the Service's port.
    pub(crate) flat: BTreeMap<u16, SocketAddr>,
}

/// All imports.
#[derive(Debug)]
pub(crate) struct Imports {
    table: Table<Import>,
    /// By the Service made; in each the oldest first.
    by_local: BTreeMap<ObjectName, BTreeSet<(Timestamp, ObjectName)>>,
    by_failover: BTreeMap<ObjectName, BTreeSet<(u8, ObjectName)>>,
}

impl Default for Imports {
    fn default() -> Self {
        Self { table: Table::new(Kind::ImportedService), by_local: BTreeMap::new(), by_failover: BTreeMap::new() }
    }
}

impl Imports {
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object<Import>> {
        self.table.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object<Import>> {
        self.table.iter()
    }

    /// The imports under a Service's name, the one in effect first.
    pub(crate) fn of_local(&self, service: &ObjectName) -> impl Iterator<Item = &Object<Import>> {
        self.by_local.get(service).into_iter().flatten().filter_map(|(_, name)| self.table.get(name))
    }

    /// Those that stand in for a Service, in their order, with their places.
    pub(crate) fn standing_in_for(&self, service: &ObjectName) -> impl Iterator<Item = (u8, &Object<Import>)> {
        let all = self.by_failover.get(service).into_iter().flatten();
        all.filter_map(|(priority, name)| Some((*priority, self.table.get(name)?)))
    }

    pub(crate) fn change(&mut self, change: Option<Applied<Object<Import>>>, facts: &mut Facts) {
        let Some(changed) = self.table.change(change, facts) else { return };
        facts.insert(Fact::Imports);
        if let Some(old) = changed.before {
            for (service, priority) in &old.content.failover {
                facts.insert(Fact::FailoversFor(service.clone()));
                forget(&mut self.by_failover, service, &(*priority, old.name.clone()));
            }
            forget(&mut self.by_local, &old.content.local, &(old.created, old.name));
            facts.insert(Fact::ImportsAs(old.content.local));
        }
        if let Some(now) = changed.now.and_then(|name| self.table.get(&name)) {
            for (service, priority) in &now.content.failover {
                facts.insert(Fact::FailoversFor(service.clone()));
                self.by_failover.entry(service.clone()).or_default().insert((*priority, now.name.clone()));
            }
            facts.insert(Fact::ImportsAs(now.content.local.clone()));
            self.by_local.entry(now.content.local.clone()).or_default().insert((now.created, now.name.clone()));
        }
    }
}

fn forget<V: Ord>(map: &mut BTreeMap<ObjectName, BTreeSet<V>>, key: &ObjectName, value: &V) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}

/// Reads an import's own fields, and its catalog.
pub(crate) fn read(import: &ImportedService) -> Object<Import> {
    let mut faults = Vec::new();
    let name = name_of(import);
    let spec = &import.spec;
    let given = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Arc::<str>::from);
    let mesh = spec.from.mesh.parse::<MeshName>();
    if let Err(error) = &mesh {
        faults.push(Fault::excluded(Reason::InvalidName, format!("spec.from.mesh: {error}")));
    }
    let namespace = given(&spec.from.namespace).unwrap_or_else(|| name.namespace.clone());
    let service = given(&spec.from.service).unwrap_or_else(|| name.name.clone());
    let local = given(&spec.service).unwrap_or_else(|| name.name.clone());
    let mut labels = true;
    for (field, text) in [("spec.from.namespace", &namespace), ("spec.from.service", &service), ("spec.as", &local)] {
        if !names::is_label(text) {
            let message = format!(
                "{field}: {text:?} must be 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends, as the name of a \
                 Service"
            );
            faults.push(Fault::excluded(Reason::InvalidName, message));
            labels = false;
        }
    }
    let max_stale = spec.max_stale.as_deref().map_or(Some(MAX_STALE), duration::parse).unwrap_or_else(|| {
        let text = spec.max_stale.as_deref().unwrap_or_default();
        let message = format!(
            "spec.maxStale: {text:?} is not a whole number with s, m or h, such as 90s, 5m or 1h: 1h stands in for it"
        );
        faults.push(Fault::partly(Reason::InvalidDuration, message));
        MAX_STALE
    });
    let failover = spec.failover_for.iter().map(|f| {
        let service = ObjectName::new(name.namespace.clone(), f.service.as_str());
        (service, f.priority.unwrap_or(PRIORITY).max(PRIORITY))
    });
    let status = import.status.as_ref();
    let content = Import {
        from: mesh.ok().filter(|_| labels).map(|mesh| (mesh, ObjectName::new(namespace, service))),
        local: ObjectName::new(name.namespace.clone(), local),
        max_stale,
        failover: failover.collect(),
        clusters: status.map(|status| status.catalog.iter().map(cluster).collect()).unwrap_or_default(),
        conflicts: status.map(|status| status.conflicts.iter().cloned().collect()).unwrap_or_default(),
    };
    Object::new(import, content, faults)
}

/// It was verified when it was written; what of it can't be read all the same names nobody.
fn cluster(catalog: &ClusterCatalog) -> Cluster {
    let endpoints = catalog.endpoints.iter().filter_map(|endpoint| {
        Some(RemoteEndpoint {
            token: endpoint.token.parse().ok()?,
            identity: endpoint.identity.parse().ok()?,
            ports: endpoint.ports.iter().copied().collect(),
            flat: endpoint.addresses.iter().filter_map(|of| Some((of.port, of.address.parse().ok()?))).collect(),
        })
    });
    let ports = catalog.ports.iter().map(|port| RemotePort {
        port: port.port,
        name: port.name.as_str().into(),
        app_protocol: port.app_protocol.as_deref().filter(|text| !text.is_empty()).map(Into::into),
    });
    Cluster {
        name: catalog.cluster.as_str().into(),
        state: catalog.state,
        gateways: catalog.gateways.iter().filter_map(|gateway| gateway.parse().ok()).collect(),
        ports: ports.collect(),
        endpoints: endpoints.collect(),
    }
}
