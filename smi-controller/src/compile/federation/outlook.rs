//! All that the task which speaks to other meshes needs to know of this one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use isthmus_core::federation::MeshName;
use isthmus_federation::catalog::Exports;

use super::{catalog, imports, peers};
use crate::{
    compile::Reader,
    index::{Import, Mesh, Object, Peer, Service},
};

/// This mesh among others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outlook {
    /// Its own object.
    pub(crate) mesh: Option<Object<Mesh>>,
    /// It has other clusters, which are to it as a peer is.
    pub(crate) siblings: bool,
    /// The peers that count.
    pub(crate) peers: BTreeMap<MeshName, Object<Peer>>,
    /// The peers that are being revoked, and wait for it.
    pub(crate) leaving: Vec<Object<Peer>>,
    /// What is offered to each of those that count.
    pub(crate) exports: BTreeMap<MeshName, Arc<Exports>>,
    pub(crate) imports: Vec<Imported>,
    /// Services that were made for an import that makes none, or another one, now.
    pub(crate) orphans: Vec<Service>,
    /// The pods of this mesh's own gateways, where workloads call other meshes through them.
    pub(crate) egress: Option<Vec<SocketAddr>>,
}

/// An import, and what there is under its local name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Imported {
    pub(crate) import: Object<Import>,
    /// It is the one that counts under this name.
    pub(crate) counts: bool,
    pub(crate) service: Option<Service>,
}

/// How it looks at present.
pub(crate) fn outlook(reader: &Reader<'_>) -> Outlook {
    let peers: BTreeMap<MeshName, Object<Peer>> =
        peers::in_force(reader).into_iter().map(|peer| (peer.mesh.clone(), peer.object.clone())).collect();
    let leaving = reader.peers().filter(|peer| peer.content.leaving && peer.content.guarded).cloned();
    let gateways = catalog::gateways(reader);
    let siblings = peers::has_siblings(reader);
    let audience = peers.keys().chain(siblings.then_some(&reader.settings().mesh));
    let exports = audience.map(|mesh| (mesh.clone(), Arc::new(catalog::catalog(reader, mesh, &gateways))));
    let imported = reader.imports().map(|import| Imported {
        import: import.clone(),
        counts: imports::in_effect(reader, &import.content.local).is_some_and(|counts| counts.name == import.name),
        service: reader.service(&import.content.local).cloned(),
    });
    let imports: Vec<Imported> = imported.collect();
    let wanted: BTreeSet<_> =
        imports.iter().filter(|i| i.counts).map(|i| (&i.import.content.local, &i.import.uid)).collect();
    let orphans = reader
        .imported()
        .filter(|service| service.import.as_ref().is_some_and(|uid| !wanted.contains(&(&service.name, uid))));
    let orphans = orphans.cloned().collect();
    Outlook {
        mesh: reader.own_mesh().cloned(),
        siblings,
        leaving: leaving.collect(),
        exports: exports.collect(),
        orphans,
        imports,
        peers,
        egress: imports::egress(reader),
    }
}
