//! What is wrong with an object in the light of the others: for conditions and Events. It looks at an object whether
//! or not any proxy uses it, and by the same rules as compiling does.

use isthmus_core::id::{ObjectName, SpiffePattern};

use super::{Reader, federation};
use crate::{
    fault::{Fault, Kind, ObjectRef, Reason},
    index::{Exposure, HOLD, Object, Rule, Split, Subject, SubjectKind, Target},
};

/// What is known of an object itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) uid: std::sync::Arc<str>,
    pub(crate) generation: i64,
    pub(crate) faults: Vec<Fault>,
}

/// Checks an object. `None`: there is none.
pub(crate) fn check(reader: &Reader<'_>, object: &ObjectRef) -> Option<Checked> {
    let name = &object.name;
    let known = match object.kind {
        Kind::TrafficSplit => reader.split(name).map(|split| checked(split, |f| of_split(reader, split, f))),
        Kind::TrafficTarget => reader.target(name).map(|target| checked(target, |f| of_target(reader, target, f))),
        Kind::HttpRouteGroup => reader.group(name).map(|group| checked(group, |_| {})),
        Kind::TcpRoute => reader.tcp_route(name).map(|route| checked(route, |_| {})),
        Kind::UdpRoute => reader.udp_route(name).map(|route| checked(route, |_| {})),
        Kind::IdentityBinding => reader.binding(name).map(|binding| {
            checked(binding, |faults| {
                for (i, pattern) in binding.content.identities.iter().enumerate() {
                    faults.extend(no_mesh(reader, &format!("spec.schemes.spiffeIdentities[{i}]"), pattern));
                }
                faults.extend(
                    binding.content.account.as_ref().and_then(|a| no_account(reader, "spec.schemes.serviceAccount", a)),
                );
            })
        }),
        // Those of other meshes are the hub's.
        Kind::Mesh if *name.name != *reader.settings().mesh.as_str() => return None,
        Kind::Mesh => reader.mesh(name).map(|mesh| checked(mesh, |f| federation::of_mesh(reader, mesh, f))),
        Kind::MeshPeer => reader.peer(name).map(|peer| checked(peer, |f| federation::of_peer(reader, peer, f))),
        Kind::ExportedService => {
            reader.export(name).map(|export| checked(export, |f| federation::of_export(reader, export, f)))
        }
        Kind::ImportedService => {
            reader.import(name).map(|import| checked(import, |f| federation::of_import(reader, import, f)))
        }
    };
    let Some(malformed) = reader.malformed(object) else { return known };
    let kept = if known.is_some() { "its last readable form stays in effect" } else { "it has no effect" };
    let message =
        format!("the object doesn't have the shape of a {}: {}; {kept}", object.kind.as_str(), malformed.error);
    let uid = malformed.uid.as_str().into();
    Some(Checked { uid, generation: malformed.generation, faults: vec![Fault::excluded(Reason::Malformed, message)] })
}

fn checked<T>(object: &Object<T>, more: impl FnOnce(&mut Vec<Fault>)) -> Checked {
    let mut faults = object.faults.clone();
    more(&mut faults);
    faults.sort();
    faults.dedup();
    Checked { uid: object.uid.clone(), generation: object.generation, faults }
}

fn of_split(reader: &Reader<'_>, split: &Object<Split>, faults: &mut Vec<Fault>) {
    for (i, group) in split.content.groups.iter().flatten().enumerate() {
        if reader.group(group).is_none() {
            let message =
                format!("spec.matches[{i}]: there is no HTTPRouteGroup {group}: this reference matches nothing");
            faults.push(Fault::unresolved(Reason::RouteNotFound, message));
        }
    }
    let Some(root) = &split.content.root else { return };
    let winner = reader.splits_of(root).next();
    if let Some(winner) = winner.filter(|winner| winner.name != split.name) {
        let message =
            format!("TrafficSplit {} is older and has the same root {root}: this one has no effect", winner.name);
        faults.push(Fault::excluded(Reason::DuplicateSplit, message));
    }
    if winner.is_some_and(|winner| winner.name == split.name)
        && let Some(service) = reader.outwaited(root)
    {
        let message = format!(
            "it took effect {}s after it was seen, although the EndpointSlices of Service {service} don't list the pods that \
             it selects: requests may go to others",
            HOLD.as_secs()
        );
        faults.push(Fault::hint(Reason::EndpointsBehind, message));
    }
    let Some(service) = reader.service(root) else {
        let message = format!("spec.service: there is no Service {root}");
        faults.push(Fault::unresolved(Reason::RootNotFound, message));
        return of_backends(reader, split, root, &[], faults);
    };
    if let Some(what) = unsplittable(&service.exposure) {
        let message = format!(
            "spec.service: Service {root} is {what}: its clients don't go through a cluster address, so nothing is split"
        );
        faults.push(Fault::excluded(Reason::UnsupportedService, message));
        return;
    }
    let ports: Vec<u16> = service.ports.iter().map(|p| p.port).collect();
    of_backends(reader, split, root, &ports, faults);
}

fn of_backends(reader: &Reader<'_>, split: &Object<Split>, root: &ObjectName, ports: &[u16], faults: &mut Vec<Fault>) {
    for backend in split.content.backends.iter().filter(|b| b.service != *root) {
        let name = &backend.service;
        let Some(service) = reader.service(name) else {
            let message =
                format!("backend {}: there is no Service {name}: it is left out, and the others share", name.name);
            faults.push(Fault::unresolved(Reason::BackendNotFound, message));
            continue;
        };
        if let Some(what) = unsplittable(&service.exposure) {
            let message =
                format!("backend {}: Service {name} is {what}, which a split can't send to: it is left out", name.name);
            faults.push(Fault::unresolved(Reason::UnsupportedService, message));
            continue;
        }
        for port in ports.iter().filter(|port| service.port(**port).is_none()) {
            let message = format!(
                "backend {}: Service {name} has no port {port}, which the root {root} has: at that port it is left out",
                name.name
            );
            faults.push(Fault::unresolved(Reason::PortMismatch, message));
        }
        if let Some(nested) = reader.splits_of(name).next() {
            let message = format!(
                "backend {}: it is the root of TrafficSplit {}; splits aren't followed, so this share goes to the Service's \
                 own endpoints",
                name.name, nested.name
            );
            faults.push(Fault::hint(Reason::NestedSplit, message));
        }
    }
}

fn unsplittable(exposure: &Exposure) -> Option<&'static str> {
    match exposure {
        Exposure::Cluster(_) => None,
        Exposure::Headless => Some("headless"),
        Exposure::External => Some("an ExternalName"),
    }
}

fn of_target(reader: &Reader<'_>, target: &Object<Target>, faults: &mut Vec<Fault>) {
    for (i, rule) in target.content.rules.iter().enumerate() {
        let (kind, name, found) = match rule {
            Rule::Http(name, matches) => {
                let group = reader.group(name);
                for wanted in matches.iter().flatten() {
                    if group.is_some_and(|g| !g.content.entries.iter().any(|entry| entry.name == *wanted)) {
                        let message = format!(
                            "spec.rules[{i}].matches: HTTPRouteGroup {name} has no match {wanted:?}: it grants nothing"
                        );
                        faults.push(Fault::unresolved(Reason::MatchNotFound, message));
                    }
                }
                ("HTTPRouteGroup", name, group.is_some())
            }
            Rule::Tcp(name) => ("TCPRoute", name, reader.tcp_route(name).is_some()),
            Rule::Udp(name) => ("UDPRoute", name, reader.udp_route(name).is_some()),
            Rule::Unknown => continue,
        };
        if !found {
            let message =
                format!("spec.rules[{i}]: there is no {kind} {name}: this rule grants nothing until there is");
            faults.push(Fault::unresolved(Reason::RouteNotFound, message));
        }
    }
    let destination = target.content.destination.iter().map(|d| ("spec.destination".to_owned(), d));
    let sources = target.content.sources.iter().enumerate().map(|(i, s)| (format!("spec.sources[{i}]"), s));
    for (field, subject) in destination.chain(sources) {
        faults.extend(no_subject(reader, &field, subject));
    }
}

fn no_subject(reader: &Reader<'_>, field: &str, subject: &Subject) -> Option<Fault> {
    match &subject.kind {
        SubjectKind::Identity(pattern) => no_mesh(reader, &format!("{field}.name"), pattern),
        SubjectKind::Account => no_account(reader, field, &subject.name),
        SubjectKind::Binding => reader.binding(&subject.name).is_none().then(|| {
            let message =
                format!("{field}: there is no IdentityBinding {}: it names nobody until there is", subject.name);
            Fault::unresolved(Reason::IdentityNotFound, message)
        }),
    }
}

/// An identity of a mesh that isn't joined is nobody who could call; of this mesh any may be named beforehand.
fn no_mesh(reader: &Reader<'_>, field: &str, pattern: &SpiffePattern) -> Option<Fault> {
    let domain = pattern.trust_domain();
    let own = *domain == reader.settings().trust_domain;
    (!own && federation::in_force(reader).iter().all(|peer| peer.trust_domain != domain)).then(|| {
        let message =
            format!("{field}: no MeshPeer has the trust domain {domain}: it names nobody until that mesh is joined");
        Fault::unresolved(Reason::IdentityNotFound, message)
    })
}

fn no_account(reader: &Reader<'_>, field: &str, name: &ObjectName) -> Option<Fault> {
    (!reader.account_exists(name)).then(|| {
        let message = format!("{field}: there is no ServiceAccount {name}: no workload runs as it");
        Fault::unresolved(Reason::IdentityNotFound, message)
    })
}
