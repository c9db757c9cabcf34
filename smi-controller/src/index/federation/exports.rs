//! ExportedServices.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isthmus_core::{federation::MeshName, id::ObjectName};
use isthmus_federation::member::ToldConflict;
use isthmus_k8s::federation::ExportedService;

use crate::{
    fault::{Fault, Kind, Reason},
    index::{
        Fact, Facts, Object,
        table::{Applied, Table, name_of},
    },
};

/// An export with its names read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    pub(crate) service: ObjectName,
    /// Of the Service; `None`: all.
    pub(crate) ports: Option<BTreeSet<u16>>,
    pub(crate) to: BTreeSet<MeshName>,
}

/// What another mesh has found: this one's clusters export a Service differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    /// Who has found it; this mesh itself, if another cluster of it has.
    pub(crate) by: MeshName,
    pub(crate) conflict: ToldConflict,
}

/// All exports.
#[derive(Debug)]
pub(crate) struct Exports {
    table: Table<Export>,
    by_service: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    /// By Service.
    told: BTreeMap<ObjectName, BTreeSet<Told>>,
}

impl Default for Exports {
    fn default() -> Self {
        Self { table: Table::new(Kind::ExportedService), by_service: BTreeMap::new(), told: BTreeMap::new() }
    }
}

impl Exports {
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object<Export>> {
        self.table.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object<Export>> {
        self.table.iter()
    }

    pub(crate) fn of_service(&self, service: &ObjectName) -> impl Iterator<Item = &Object<Export>> {
        self.by_service.get(service).into_iter().flatten().filter_map(|name| self.table.get(name))
    }

    /// Where this mesh's clusters export a Service differently.
    pub(crate) fn told_of(&self, service: &ObjectName) -> impl Iterator<Item = &Told> {
        self.told.get(service).into_iter().flatten()
    }

    /// All that is told now of conflicts.
    pub(crate) fn tell(&mut self, told: BTreeMap<ObjectName, BTreeSet<Told>>, facts: &mut Facts) {
        let before = std::mem::replace(&mut self.told, told);
        let services: BTreeSet<_> = before.keys().chain(self.told.keys()).collect();
        let changed = services.into_iter().filter(|service| before.get(*service) != self.told.get(*service));
        facts.extend(changed.map(|service| Fact::ExportsOf(service.clone())));
    }

    pub(crate) fn change(&mut self, change: Option<Applied<Object<Export>>>, facts: &mut Facts) {
        let Some(changed) = self.table.change(change, facts) else { return };
        facts.insert(Fact::Exports);
        if let Some(old) = changed.before {
            if let Some(exports) = self.by_service.get_mut(&old.content.service) {
                exports.remove(&old.name);
                if exports.is_empty() {
                    self.by_service.remove(&old.content.service);
                }
            }
            facts.insert(Fact::ExportsOf(old.content.service));
        }
        if let Some(now) = changed.now.and_then(|name| self.table.get(&name)) {
            let service = now.content.service.clone();
            facts.insert(Fact::ExportsOf(service.clone()));
            self.by_service.entry(service).or_default().insert(now.name.clone());
        }
    }
}

/// Reads an export's own fields.
pub(crate) fn read(export: &ExportedService) -> Object<Export> {
    let mut faults = Vec::new();
    let name = name_of(export);
    let spec = &export.spec;
    let service: Arc<str> = spec.service.as_deref().filter(|s| !s.is_empty()).map_or(name.name, Arc::from);
    let mut to = BTreeSet::new();
    for (i, text) in spec.to.iter().enumerate() {
        match text.parse() {
            Ok(mesh) => drop(to.insert(mesh)),
            Err(error) => faults.push(Fault::partly(Reason::InvalidName, format!("spec.to[{i}]: {error}"))),
        }
    }
    let ports = spec.ports.as_ref().map(|ports| {
        if ports.contains(&0) {
            let message = "spec.ports: 0 is not a port from 1 to 65535: it exports nothing";
            faults.push(Fault::partly(Reason::InvalidPort, message));
        }
        ports.iter().copied().filter(|port| *port != 0).collect()
    });
    Object::new(export, Export { service: ObjectName::new(name.namespace, service), ports, to }, faults)
}
