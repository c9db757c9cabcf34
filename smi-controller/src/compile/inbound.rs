//! What a pod lets in: the union of the targets that select it.

use std::collections::BTreeMap;

use isthmus_core::{
    broken,
    destination::ProtocolHint,
    id::ObjectName,
    inbound::{Grant, InboundPolicy},
};

use super::{Reader, federation, protocol, rules, subjects};
use crate::{fault::Kind, index::Pod};

/// The policy of a pod. `None`: there is no such pod.
pub(crate) fn inbound(reader: &Reader<'_>, pod: &ObjectName) -> Option<InboundPolicy> {
    let pod = reader.pod(pod)?;
    Some(InboundPolicy {
        mode: reader.namespace(&pod.name.namespace).mode.unwrap_or(reader.settings().mode),
        grants: grants(reader, pod),
        exempt: pod.exempt.clone(),
        protocols: protocols(reader, pod),
        trust_domain: Some(reader.settings().trust_domain.clone()),
        exports: federation::exports(reader, pod),
    })
}

/// In the order of the targets' names.
fn grants(reader: &Reader<'_>, pod: &Pod) -> Vec<Grant> {
    let account = ObjectName::new(pod.name.namespace.clone(), pod.account.clone());
    let targets = reader.targets_for(&account).chain(reader.targets_by_binding(&pod.name.namespace));
    let mut grants = Vec::new();
    for target in targets {
        if !target.content.destination.as_ref().is_some_and(|d| subjects::selects(reader, d, pod)) {
            continue;
        }
        reader.uses(Kind::TrafficTarget, target);
        let granted = rules::resolve(reader, &target.content.rules, target.content.port);
        let mut sources: Vec<_> =
            target.content.sources.iter().flat_map(|source| subjects::sources(reader, source)).collect();
        sources.dedup();
        if sources.is_empty() || (granted.tcp.is_none() && granted.udp.is_none()) {
            continue;
        }
        grants.push(Grant {
            name: target.name.clone(),
            sources,
            tcp: granted.tcp,
            udp: granted.udp,
            http: granted.http,
        });
    }
    grants.sort_by(|a, b| a.name.cmp(&b.name));
    if broken::is(broken::Fault::FirstTargetWins) {
        grants.truncate(1);
    }
    grants
}

/// By container port, from the Services that the pod is behind. Where they disagree nothing is known.
fn protocols(reader: &Reader<'_>, pod: &Pod) -> BTreeMap<u16, ProtocolHint> {
    let mut hints: BTreeMap<u16, ProtocolHint> = BTreeMap::new();
    for slice in reader.slices_with(&pod.name) {
        for port in &slice.ports {
            let hint = protocol::hint(&port.name, port.app_protocol.as_deref());
            let known = hints.entry(port.port).or_insert(hint);
            if *known != hint {
                *known = ProtocolHint::Detect;
            }
        }
    }
    hints.retain(|_, hint| *hint != ProtocolHint::Detect);
    hints
}
