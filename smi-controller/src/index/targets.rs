//! TrafficTargets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isthmus_core::{
    broken,
    id::{ObjectName, SpiffePattern},
};
use isthmus_k8s::{
    access::{self, TrafficTarget},
    convert::{PARKED_ANNOTATION, parked::parked_port},
};

use super::{
    Fact, Facts,
    port_routes::UDP_NOT_ENFORCED,
    table::{Applied, Object, Table, name_of},
};
use crate::fault::{Fault, Kind, Reason};

/// What a subject is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SubjectKind {
    Account,
    Binding,
    /// Of any mesh; of sources only.
    Identity(SpiffePattern),
}

/// Workloads that a target names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) kind: SubjectKind,
    pub(crate) name: ObjectName,
}

/// What a target lets its sources do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// HTTP requests of this group: all its matches, or those named.
    Http(ObjectName, Option<Vec<String>>),
    Tcp(ObjectName),
    Udp(ObjectName),
    /// Of a kind that means nothing here: it grants nothing, and narrows what other rules would grant.
    Unknown,
}

/// A target with its names read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// `None`: the target has no effect.
    pub(crate) destination: Option<Subject>,
    /// The only port that its rules may open, as versions before v1alpha3 could say.
    pub(crate) port: Option<u16>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) sources: Vec<Subject>,
}

/// All targets.
#[derive(Debug)]
pub(crate) struct Targets {
    table: Table<Target>,
    by_account: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    /// By namespace, those whose destination is a binding.
    by_binding: BTreeMap<Arc<str>, BTreeSet<ObjectName>>,
}

impl Default for Targets {
    fn default() -> Self {
        Self { table: Table::new(Kind::TrafficTarget), by_account: BTreeMap::new(), by_binding: BTreeMap::new() }
    }
}

impl Targets {
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object<Target>> {
        self.table.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object<Target>> {
        self.table.iter()
    }

    pub(crate) fn for_account(&self, account: &ObjectName) -> impl Iterator<Item = &Object<Target>> {
        self.by_account.get(account).into_iter().flatten().filter_map(|name| self.table.get(name))
    }

    pub(crate) fn by_binding(&self, namespace: &str) -> impl Iterator<Item = &Object<Target>> {
        self.by_binding.get(namespace).into_iter().flatten().filter_map(|name| self.table.get(name))
    }

    pub(crate) fn change(&mut self, change: Option<Applied<Object<Target>>>, facts: &mut Facts) {
        let gone = matches!(change, Some(Applied::Gone(_)));
        let known = matches!(&change, Some(Applied::Now(object)) if self.get(&object.name).is_some());
        if (gone && broken::is(broken::Fault::StaleGrants)) || (known && broken::is(broken::Fault::FrozenGrants)) {
            return;
        }
        let Some(changed) = self.table.change(change, facts) else { return };
        if let Some(old) = changed.before
            && let Some(destination) = old.content.destination
        {
            facts.extend(fact(&destination));
            match destination.kind {
                SubjectKind::Account => forget(&mut self.by_account, &destination.name, &old.name),
                SubjectKind::Binding => forget(&mut self.by_binding, &destination.name.namespace, &old.name),
                SubjectKind::Identity(_) => {}
            }
        }
        if let Some(now) = changed.now.and_then(|name| self.table.get(&name))
            && let Some(destination) = &now.content.destination
        {
            facts.extend(fact(destination));
            let targets = match destination.kind {
                SubjectKind::Account => self.by_account.entry(destination.name.clone()).or_default(),
                SubjectKind::Binding => self.by_binding.entry(destination.name.namespace.clone()).or_default(),
                SubjectKind::Identity(_) => return,
            };
            targets.insert(now.name.clone());
        }
    }
}

fn fact(destination: &Subject) -> Option<Fact> {
    match destination.kind {
        SubjectKind::Account => Some(Fact::TargetsFor(destination.name.clone())),
        SubjectKind::Binding => Some(Fact::TargetsByBinding(destination.name.namespace.clone())),
        SubjectKind::Identity(_) => None,
    }
}

fn forget<K: Ord>(map: &mut BTreeMap<K, BTreeSet<ObjectName>>, key: &K, target: &ObjectName) {
    if let Some(targets) = map.get_mut(key) {
        targets.remove(target);
        if targets.is_empty() {
            map.remove(key);
        }
    }
}

/// Reads a target's own fields.
pub(crate) fn read(target: &TrafficTarget) -> Object<Target> {
    let mut faults = Vec::new();
    let namespace = name_of(target).namespace;
    let spec = &target.spec;
    let mut destination = subject("spec.destination", &spec.destination, &namespace, &mut faults, true);
    let is_lax = broken::is(broken::Fault::ForeignTargets);
    // Who owns the destination owns the target: nobody else can open it (smi.md §5 A15).
    if let Some(other) = destination.take_if(|d| d.name.namespace != namespace && !is_lax) {
        let message = format!(
            "spec.destination.namespace: {} is not the target's own, {namespace}: only who owns the destination can open \
             it; create the target there",
            other.name.namespace
        );
        faults.push(Fault::excluded(Reason::NamespaceMismatch, message));
    }
    let port = parked_port(target).unwrap_or_else(|error| {
        let message = format!(
            "metadata.annotations[{PARKED_ANNOTATION}]: {error}: it isn't known to what port the target is limited, so it \
             grants nothing; mend the annotation, or remove it to open whatever the rules name"
        );
        faults.push(Fault::excluded(Reason::InvalidParked, message));
        destination = None;
        None
    });
    let mut rules = Vec::new();
    for (i, rule) in spec.rules.iter().enumerate() {
        let name = ObjectName::new(namespace.clone(), rule.name.as_str());
        rules.push(match rule.kind.as_str() {
            "HTTPRouteGroup" => Rule::Http(name, rule.matches.clone().filter(|m| !m.is_empty())),
            "TCPRoute" => Rule::Tcp(name),
            "UDPRoute" => {
                let message = format!("spec.rules[{i}]: {UDP_NOT_ENFORCED}");
                faults.push(Fault::hint(Reason::NotEnforced, message));
                Rule::Udp(name)
            }
            other => {
                let message = format!(
                    "spec.rules[{i}].kind: {other:?} grants nothing: it must be HTTPRouteGroup, TCPRoute or UDPRoute"
                );
                faults.push(Fault::partly(Reason::UnsupportedKind, message));
                Rule::Unknown
            }
        });
    }
    let mut sources = Vec::new();
    for (i, source) in spec.sources.iter().enumerate() {
        sources.extend(subject(&format!("spec.sources[{i}]"), source, &namespace, &mut faults, false));
    }
    for (field, empty) in [("rules", spec.rules.is_empty()), ("sources", spec.sources.is_empty())] {
        if empty {
            let message = format!("spec.{field} is empty: the target grants nothing");
            faults.push(Fault::partly(Reason::NothingGranted, message));
        }
    }
    Object::new(target, Target { destination, port, rules, sources }, faults)
}

fn subject(
    field: &str,
    subject: &access::Subject,
    namespace: &Arc<str>,
    faults: &mut Vec<Fault>,
    whole: bool,
) -> Option<Subject> {
    if let Some(port) = subject.port {
        let message = format!("{field}.port: {port} has no effect since v1alpha3: name ports in a TCPRoute");
        faults.push(Fault::hint(Reason::PortIgnored, message));
    }
    let group = subject.group.as_deref().unwrap_or_default();
    let kind = match (subject.kind.as_str(), group) {
        ("ServiceAccount", "") => SubjectKind::Account,
        ("IdentityBinding", "" | access::GROUP) => SubjectKind::Binding,
        ("SPIFFEIdentity", "" | access::GROUP) if !whole => match SpiffePattern::parse_lenient(&subject.name) {
            Ok(pattern) => SubjectKind::Identity(pattern),
            Err(error) => {
                let message = format!("{field}.name: {error}; a prefix ends in /*");
                faults.push(Fault::partly(Reason::InvalidSpiffeId, message));
                return None;
            }
        },
        (other, group) => {
            let fault = if whole { Fault::excluded } else { Fault::partly };
            let more = if whole { "" } else { ", or SPIFFEIdentity" };
            let of = if group.is_empty() { String::new() } else { format!(" of group {group:?}") };
            let message =
                format!("{field}.kind: {other:?}{of} names nobody: it must be ServiceAccount or IdentityBinding{more}");
            faults.push(fault(Reason::UnsupportedKind, message));
            return None;
        }
    };
    let own = subject.namespace.as_deref().filter(|n| !n.is_empty());
    let namespace = own.map_or_else(|| namespace.clone(), Arc::from);
    Some(Subject { kind, name: ObjectName::new(namespace, subject.name.as_str()) })
}
