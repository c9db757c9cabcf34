//! TrafficSplits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isthmus_core::{broken, id::ObjectName};
use isthmus_k8s::split::TrafficSplit;
use k8s_openapi::jiff::Timestamp;
use serde_json::Number;

use super::{
    Fact, Facts,
    holds::Holds,
    table::{Applied, Object, Table, name_of},
};
use crate::{
    fault::{Fault, Kind, Reason},
    names,
};

/// A split with its names read. What couldn't be read is left out here and named among the object's faults.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Split {
    /// The Service that clients call. `None`: the split has no effect.
    pub(crate) root: Option<ObjectName>,
    pub(crate) backends: Vec<Backend>,
    /// Route groups; `None`: everything is split.
    pub(crate) groups: Option<Vec<ObjectName>>,
}

/// One share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) service: ObjectName,
    pub(crate) weight: u32,
}

/// All splits.
#[derive(Debug)]
pub(crate) struct Splits {
    table: Table<Split>,
    /// By root; in each the oldest first (smi.md §5 A7).
    by_root: BTreeMap<ObjectName, BTreeSet<(Timestamp, ObjectName)>>,
    pub(super) holds: Holds,
}

impl Default for Splits {
    fn default() -> Self {
        Self { table: Table::new(Kind::TrafficSplit), by_root: BTreeMap::new(), holds: Holds::default() }
    }
}

impl Splits {
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object<Split>> {
        self.table.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object<Split>> {
        self.table.iter()
    }

    /// The splits of a root, the one that counts first.
    pub(crate) fn of_root<'a>(&'a self, root: &ObjectName) -> impl Iterator<Item = &'a Object<Split>> + use<'a> {
        self.by_root.get(root).into_iter().flatten().filter_map(|(_, name)| self.table.get(name))
    }

    /// The split by which a root's traffic is divided: the one that counts, as soon as its endpoints are there.
    pub(crate) fn in_force(&self, root: &ObjectName) -> Option<&Object<Split>> {
        let own = self.holds.in_force(root, self.of_root(root).next());
        own.or_else(|| if broken::is(broken::Fault::NamespaceByPrefix) { self.by_prefix(root) } else { None })
    }

    /// What a mesh may take for a root's split that is broken on purpose.
    fn by_prefix(&self, root: &ObjectName) -> Option<&Object<Split>> {
        let is_of = |other: &ObjectName| other.name == root.name && other.namespace.starts_with(&*root.namespace);
        self.iter().find(|split| split.content.root.as_ref().is_some_and(is_of))
    }

    pub(crate) fn change(&mut self, change: Option<Applied<Object<Split>>>, facts: &mut Facts) {
        let Some(change) = change else { return };
        let (name, now) = match &change {
            Applied::Now(object) => (&object.name, object.content.root.as_ref()),
            Applied::Gone(name) => (name, None),
        };
        if broken::is(broken::Fault::StaleSplits) && self.get(name).is_some() {
            return;
        }
        let old = self.table.get(name).and_then(|old| old.content.root.as_ref());
        let roots: BTreeSet<ObjectName> = old.into_iter().chain(now).cloned().collect();
        let before: Vec<_> = roots.into_iter().map(|root| (self.of_root(&root).next().cloned(), root)).collect();
        self.put(change, facts);
        for (before, root) in before {
            let first = self.by_root.get(&root).and_then(BTreeSet::first);
            let now = first.and_then(|(_, name)| self.table.get(name));
            self.holds.change(&root, before, now, facts);
            if broken::is(broken::Fault::NamespaceByPrefix)
                && let Some((begin, _)) = root.namespace.rsplit_once('-')
            {
                facts.insert(Fact::InForce(ObjectName { namespace: begin.into(), name: root.name }));
            }
        }
    }

    fn put(&mut self, change: Applied<Object<Split>>, facts: &mut Facts) {
        let Some(changed) = self.table.change(Some(change), facts) else { return };
        if let Some(old) = changed.before
            && let Some(root) = old.content.root
        {
            if let Some(splits) = self.by_root.get_mut(&root) {
                splits.remove(&(old.created, old.name));
                if splits.is_empty() {
                    self.by_root.remove(&root);
                }
            }
            facts.insert(Fact::SplitsOf(root));
        }
        if let Some(now) = changed.now.and_then(|name| self.table.get(&name))
            && let Some(root) = &now.content.root
        {
            self.by_root.entry(root.clone()).or_default().insert((now.created, now.name.clone()));
            facts.insert(Fact::SplitsOf(root.clone()));
        }
    }
}

/// Reads a split's own fields.
pub(crate) fn read(split: &TrafficSplit, cluster_domain: &str) -> Object<Split> {
    let mut faults = Vec::new();
    let namespace: Arc<str> = name_of(split).namespace;
    let mut local = |field: &str, text: &str, invalid: Reason, whole: bool| {
        let text = if broken::is(broken::Fault::BareRootOnly) { text.replace('.', "-") } else { text.to_owned() };
        let text = text.as_str();
        let fault = if whole { Fault::excluded } else { Fault::partly };
        let Some(name) = names::service(text, &namespace, cluster_domain) else {
            let remedy = format!("write svc, svc.{namespace} or svc.{namespace}.svc.{cluster_domain}");
            faults.push(fault(invalid, format!("{field}: {text:?} is not the name of a Service: {remedy}")));
            return None;
        };
        if name.namespace != namespace {
            let message =
                format!("{field}: {text:?} is in namespace {}; a split speaks of its own, {namespace}", name.namespace);
            faults.push(fault(Reason::NamespaceMismatch, message));
            return None;
        }
        Some(name)
    };
    let root = local("spec.service", &split.spec.service, Reason::InvalidRoot, true);
    let named: Vec<_> = split
        .spec
        .backends
        .iter()
        .enumerate()
        .map(|(i, b)| (b, local(&format!("spec.backends[{i}].service"), &b.service, Reason::BackendNotFound, false)))
        .collect();
    let mut backends = Vec::new();
    for (i, (backend, service)) in named.into_iter().enumerate() {
        let weight = weight(&backend.weight).unwrap_or_else(|| {
            let message = format!(
                "spec.backends[{i}].weight: {} is not a whole number from 0 to {}: it counts as 0",
                backend.weight,
                u32::MAX
            );
            faults.push(Fault::partly(Reason::InvalidWeight, message));
            0
        });
        backends.extend(service.map(|service| Backend { service, weight }));
    }
    let groups = split.spec.matches.as_ref().filter(|refs| !refs.is_empty()).map(|refs| {
        let mut groups = Vec::new();
        for (i, group) in refs.iter().enumerate() {
            let api = group.api_group.as_deref().unwrap_or_default();
            if group.kind == "HTTPRouteGroup" && matches!(api, "" | "specs.smi-spec.io") {
                groups.push(ObjectName::new(namespace.clone(), group.name.as_str()));
            } else {
                let message = format!(
                    "spec.matches[{i}]: kind {:?} of apiGroup {api:?} means nothing here: only HTTPRouteGroup of \
                     specs.smi-spec.io can be matched, and this reference matches nothing",
                    group.kind
                );
                faults.push(Fault::partly(Reason::UnsupportedKind, message));
            }
        }
        groups
    });
    Object::new(split, Split { root, backends, groups }, faults)
}

/// `None`: not a whole number from 0 (smi.md §5 A23). `5.0` is one.
fn weight(number: &Number) -> Option<u32> {
    let whole = number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|f| f.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(f))?;
        Some(float as u64)
    });
    whole.and_then(|w| u32::try_from(w).ok())
}
