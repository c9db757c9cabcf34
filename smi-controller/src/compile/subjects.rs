//! Whom the subjects of a target stand for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use isthmus_core::{
    broken::{self, Fault},
    id::{ObjectName, SpiffeId, SpiffePattern},
    inbound::Source,
};

use super::Reader;
use crate::{
    fault::Kind,
    index::{Binding, Pod, Subject, SubjectKind},
};

/// Does a destination select the pod?
pub(super) fn selects(reader: &Reader<'_>, destination: &Subject, pod: &Pod) -> bool {
    let account = ObjectName::new(pod.name.namespace.clone(), pod.account.clone());
    match &destination.kind {
        SubjectKind::Account => destination.name == account,
        SubjectKind::Binding => reader.binding(&destination.name).is_some_and(|binding| {
            let identity = reader.settings().identity(&account);
            let chosen = binding.content.account.as_ref() == Some(&account)
                || identity.is_some_and(|id| binding.content.identities.iter().any(|pattern| pattern.covers(&id)))
                || has_labels(&binding.content, pod);
            if chosen {
                reader.uses(Kind::IdentityBinding, binding);
            }
            chosen
        }),
        SubjectKind::Identity(_) => false,
    }
}

/// The sources that a subject adds. None when it isn't there: that grants nothing.
pub(super) fn sources(reader: &Reader<'_>, subject: &Subject) -> Vec<Source> {
    match &subject.kind {
        // A ServiceAccount that doesn't exist can't be run as, so its identity may be named beforehand.
        SubjectKind::Account => reader.settings().identity(&subject.name).map(Source::Identity).into_iter().collect(),
        SubjectKind::Binding => {
            let Some(binding) = reader.binding(&subject.name) else { return Vec::new() };
            reader.uses(Kind::IdentityBinding, binding);
            if broken::is(Fault::BindingsIgnored) {
                return Vec::new();
            }
            let account = binding.content.account.as_ref().and_then(|account| reader.settings().identity(account));
            let mut sources: Vec<Source> = account.map(Source::Identity).into_iter().collect();
            if !broken::is(Fault::BindingsSpiffeIgnored) {
                sources.extend(binding.content.identities.iter().map(source));
            }
            if binding.content.labels.is_some() {
                let pods = labelled(reader, &binding.content, &binding.name);
                sources.extend(pods.into_iter().map(|(id, addresses)| Source::Pods(id, addresses)));
            }
            sources
        }
        SubjectKind::Identity(pattern) => vec![source(pattern)],
    }
}

fn source(pattern: &SpiffePattern) -> Source {
    match pattern {
        SpiffePattern::Exact(id) => Source::Identity(id.clone()),
        SpiffePattern::Below(prefix) => Source::Below(prefix.clone()),
    }
}

/// Addresses of the pods that a binding names by label, by identity: only those that can prove one.
fn labelled<'a>(reader: &Reader<'a>, binding: &Binding, name: &'a ObjectName) -> BTreeMap<SpiffeId, BTreeSet<IpAddr>> {
    let mut found: BTreeMap<SpiffeId, BTreeSet<IpAddr>> = BTreeMap::new();
    for pod in reader.pods(&name.namespace).filter(|pod| pod.meshed && has_labels(binding, pod)) {
        let account = ObjectName::new(pod.name.namespace.clone(), pod.account.clone());
        if let Some(id) = reader.settings().identity(&account)
            && !pod.addresses.is_empty()
        {
            found.entry(id).or_default().extend(&pod.addresses);
        }
    }
    found
}

fn has_labels(binding: &Binding, pod: &Pod) -> bool {
    binding.labels.as_ref().is_some_and(|wanted| wanted.iter().all(|(key, value)| pod.labels.get(key) == Some(value)))
}
