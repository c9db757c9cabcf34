//! One mesh of several clusters: their exports of equal namespace and name are one service. Where they differ the oldest
//! export counts, as in the Multi-Cluster Services API (KEP-1645), and the difference is told to all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isthmus_core::{federation::Token, id::ObjectName};

use super::{Endpoint, Exports, Port, Service};
use crate::names::Cluster;

/// A service of a mesh, from all its clusters that export it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// All ports, each as the oldest export of it has it.
    pub ports: BTreeMap<u16, Port>,
    /// What each cluster brings.
    pub clusters: BTreeMap<Cluster, Part>,
    /// Where they differ.
    pub conflicts: Vec<Conflict>,
}

/// What one cluster brings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Its endpoints, with the ports alone that count.
    pub endpoints: BTreeMap<Token, Endpoint>,
}

/// Two clusters of one mesh export one service differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conflict {
    /// The service.
    pub service: ObjectName,
    /// Its port, as the loser numbers it.
    pub port: u16,
    /// Whose export counts: the older.
    pub winner: Cluster,
    /// Whose doesn't.
    pub loser: Cluster,
    /// What differs.
    pub field: Field,
}

/// What two exports differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// One number has two names.
    Name,
    /// One number has two protocols.
    AppProtocol,
    /// One name has two numbers.
    Number,
}

impl Field {
    /// As it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::AppProtocol => "appProtocol",
            Self::Number => "port",
        }
    }
}

/// The services of a mesh.
pub fn merge<'a>(clusters: impl IntoIterator<Item = (&'a Cluster, &'a Arc<Exports>)>) -> BTreeMap<ObjectName, Merged> {
    let mut exports: BTreeMap<&ObjectName, Vec<Export<'a>>> = BTreeMap::new();
    for (cluster, all) in clusters {
        for (name, service) in &all.services {
            exports.entry(name).or_default().push(Export { cluster, service });
        }
    }
    exports.into_iter().map(|(name, exports)| (name.clone(), one(name, exports))).collect()
}

struct Export<'a> {
    cluster: &'a Cluster,
    service: &'a Service,
}

fn one<'a>(name: &ObjectName, mut exports: Vec<Export<'a>>) -> Merged {
    // Of the same age: by the cluster's name, so that every side finds the same.
    exports.sort_by_key(|export| (export.service.created_at, export.cluster));
    let mut merged = Merged::default();
    let mut owners: BTreeMap<u16, &'a Cluster> = BTreeMap::new();
    for export in exports {
        let mut lost = BTreeSet::new();
        for (number, port) in &export.service.ports {
            match differs(&merged.ports, *number, port) {
                None => {
                    merged.ports.entry(*number).or_insert_with(|| port.clone());
                    owners.entry(*number).or_insert(export.cluster);
                }
                Some((field, of)) => {
                    // Under another number there is nothing that it could be reached by.
                    if field == Field::Number {
                        lost.insert(*number);
                    }
                    merged.conflicts.push(Conflict {
                        service: name.clone(),
                        port: *number,
                        winner: owners.get(&of).copied().unwrap_or(export.cluster).clone(),
                        loser: export.cluster.clone(),
                        field,
                    });
                }
            }
        }
        let endpoints = export.service.endpoints.iter().map(|(token, endpoint)| {
            let mut endpoint = endpoint.clone();
            endpoint.ready.retain(|port| !lost.contains(port));
            endpoint.flat.retain(|port, _| !lost.contains(port));
            (token.clone(), endpoint)
        });
        let part = Part { endpoints: endpoints.collect() };
        merged.clusters.insert(export.cluster.clone(), part);
    }
    merged
}

/// What the port differs in from those that count, and the number of the one that it collides with.
fn differs(ports: &BTreeMap<u16, Port>, number: u16, port: &Port) -> Option<(Field, u16)> {
    if let Some(counts) = ports.get(&number) {
        if counts.name != port.name {
            return Some((Field::Name, number));
        }
        return (counts.app_protocol != port.app_protocol).then_some((Field::AppProtocol, number));
    }
    let named = |(_, other): &(&u16, &Port)| !port.name.is_empty() && other.name == port.name;
    ports.iter().find(named).map(|(other, _)| (Field::Number, *other))
}

#[cfg(test)]
mod tests;
