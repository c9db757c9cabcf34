//! What conditions say of the connections to the hub and to peers.

use isthmus_core::{federation::MeshName, id::ObjectName};
use isthmus_k8s::federation::ResolvedName;

use super::session::{Hub, Session};
use crate::{
    compile::Outlook,
    fault::{Kind, ObjectRef},
    serve::Link,
};

/// Why a mesh doesn't dial its hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoMember {
    /// It has none.
    NoHub,
    /// It doesn't know the hub's mesh yet.
    NotJoined(String),
}

/// How the mesh and each of its peers are connected.
pub(super) fn links(outlook: &Outlook, session: &Session, no_member: Option<&NoMember>) -> Vec<(ObjectRef, Link)> {
    let mesh = outlook.mesh.iter().map(|mesh| {
        let address = mesh.content.hub.as_ref().map_or("", |hub| &hub.address);
        (named(Kind::Mesh, &mesh.name), of_mesh(address, session, no_member))
    });
    let peers = outlook.peers.iter().map(|(mesh, peer)| {
        let said = session.peers.get(mesh).and_then(|peering| peering.said.as_ref());
        let endpoint = peer.content.endpoint.as_ref().filter(|_| said.is_none());
        let link = match (no_member, said) {
            _ if endpoint.is_some() => of_endpoint(mesh, endpoint.map(|e| e.url.to_string()), session),
            (Some(_), _) => down("NoHub", "this mesh has no session with a hub: see its Mesh".to_owned()),
            (None, None) => {
                down("HubUnreachable", "the hub says nothing of it: see condition Connected of the own Mesh".into())
            }
            (None, Some((false, _))) => down(
                "NotAgreed",
                format!(
                    "mesh {mesh} doesn't agree with this one: it needs a MeshPeer {}, by an invitation",
                    own(outlook)
                ),
            ),
            (None, Some((true, clusters))) if clusters.is_empty() => {
                down("PeerAway", format!("mesh {mesh} has no session with the hub: does its controller run?"))
            }
            (None, Some((true, clusters))) => {
                let names: Vec<_> = clusters.iter().map(|cluster| cluster.as_str()).collect();
                up("Connected", format!("by the hub: cluster {}", names.join(", ")))
            }
        };
        (named(Kind::MeshPeer, &peer.name), Link { names: names(mesh, session), ..link })
    });
    mesh.chain(peers).collect()
}

/// A peer that is known by its bundle endpoint alone.
fn of_endpoint(mesh: &MeshName, url: Option<String>, session: &Session) -> Link {
    let url = url.unwrap_or_default();
    match session.peers.get(mesh).and_then(|peering| peering.bundle.as_ref()) {
        Some(held) => up("BundleFetched", format!("bundle of sequence {} from {url}", held.sequence())),
        None => down("BundleNotFetched", format!("{url} has given no bundle yet: see the Events of this object")),
    }
}

fn of_mesh(address: &str, session: &Session, no_member: Option<&NoMember>) -> Link {
    match (no_member, &session.hub) {
        (Some(NoMember::NoHub), _) => {
            down("NoHub", "spec.hub names no hub: the mesh is alone; join others with an invitation".into())
        }
        (Some(NoMember::NotJoined(why)), _) => down("NotJoined", why.clone()),
        (None, Hub::Dialled) => down("Dialling", format!("hub {address} hasn't answered yet")),
        (None, Hub::Lost { why }) => down("HubUnreachable", format!("hub {address}: {why}")),
        (None, Hub::Connected { version }) => up("Connected", format!("hub {address}, version {version}")),
    }
}

/// The names of a peer's gateways.
fn names(mesh: &MeshName, session: &Session) -> Option<Result<String, String>> {
    let names = session.catalogs.names(mesh);
    let known = |name: &&ResolvedName| name.failure.is_none() && !name.addresses.is_empty();
    let failed: Vec<String> = names.iter().filter(|name| !known(name)).map(missing).collect();
    let is = |name: &ResolvedName| format!("{} is {}", name.name, name.addresses.join(", "));
    match (names.is_empty(), failed.is_empty()) {
        (true, _) => None,
        (_, true) => Some(Ok(names.iter().map(is).collect::<Vec<_>>().join("; "))),
        (_, false) => Some(Err(failed.join("; "))),
    }
}

fn missing(ResolvedName { name, addresses, failure }: &ResolvedName) -> String {
    let why = failure.as_deref().unwrap_or("no answer yet");
    match addresses.is_empty() {
        true => format!("{name}: {why}: it has never been found"),
        false => format!("{name}: {why}: {} stays in use", addresses.join(", ")),
    }
}

fn up(reason: &'static str, message: String) -> Link {
    Link { up: true, reason, message, names: None }
}

fn down(reason: &'static str, message: String) -> Link {
    Link { up: false, reason, message, names: None }
}

fn own(outlook: &Outlook) -> &str {
    outlook.mesh.as_ref().map_or("", |mesh| &mesh.name.name)
}

fn named(kind: Kind, name: &ObjectName) -> ObjectRef {
    ObjectRef { kind, name: name.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use isthmus_federation::{catalog::Exports, member::Event};
    use serde_json::json;

    use super::*;
    use crate::{
        compile::{self, Reader},
        testing::{global, index_of, peer},
    };

    fn said(events: Vec<Event>, no_member: Option<NoMember>) -> Vec<(String, bool, &'static str)> {
        let mesh = global("Mesh", "isthmus", json!({"trustDomain": "isthmus.local"}));
        let outlook = compile::outlook(&Reader::new(&index_of([mesh, peer("west")])));
        let mut session = Session::default();
        for event in events {
            session.take(event, (Instant::now(), SystemTime::now()));
        }
        let links = links(&outlook, &session, no_member.as_ref()).into_iter();
        links.map(|(object, link)| (object.to_string(), link.up, link.reason)).collect()
    }

    fn both(mesh: (bool, &'static str), peer: (bool, &'static str)) -> Vec<(String, bool, &'static str)> {
        vec![("Mesh isthmus".into(), mesh.0, mesh.1), ("MeshPeer west".into(), peer.0, peer.1)]
    }

    #[test]
    fn a_mesh_without_a_hub_says_that_it_is_alone() {
        assert_eq!(said(vec![], Some(NoMember::NoHub)), both((false, "NoHub"), (false, "NoHub")));
    }

    #[test]
    fn a_peer_says_what_the_names_of_its_gateways_are_and_which_are_not_known() {
        let gateways = ["192.0.2.1:443", "a.example:443", "b.example:443"].map(|text| text.parse().unwrap());
        let exports = Exports { gateways: gateways.into(), ..Exports::default() };
        let (west, now): (MeshName, _) = ("west".parse().unwrap(), Instant::now());
        let mut session = Session::default();
        assert_eq!(names(&west, &session), None);
        session.catalogs.take(west.clone(), "west".parse().unwrap(), 1, exports.digest(), exports.into(), now);
        for host in session.catalogs.ask(now) {
            let found =
                if host.as_str() == "a.example" { Ok(vec![[192, 0, 2, 7].into()]) } else { Err("SERVFAIL".into()) };
            session.catalogs.found(&host, found, now);
        }
        let failed = "b.example: SERVFAIL: it has never been found";
        assert_eq!(names(&west, &session), Some(Err(failed.to_owned())));
        let b = "b.example".parse().unwrap();
        session.catalogs.found(&b, Ok(vec![[192, 0, 2, 8].into()]), now);
        let all = "a.example is 192.0.2.7; b.example is 192.0.2.8";
        assert_eq!(names(&west, &session), Some(Ok(all.to_owned())));
        session.catalogs.found(&b, Err("SERVFAIL".into()), now);
        let failed = "b.example: SERVFAIL: 192.0.2.8 stays in use";
        assert_eq!(names(&west, &session), Some(Err(failed.to_owned())));
    }

    #[test]
    fn a_peer_is_connected_when_it_agrees_and_is_there() {
        let connected = || Event::Connected { version: "1".into() };
        let west = |agrees: bool, there: bool| Event::Peer {
            peer: "west".parse().unwrap(),
            agrees,
            connected: there.then(|| "west".parse().unwrap()).into_iter().collect(),
        };
        let up = (true, "Connected");
        assert_eq!(said(vec![], None), both((false, "Dialling"), (false, "HubUnreachable")));
        assert_eq!(said(vec![connected(), west(false, false)], None), both(up, (false, "NotAgreed")));
        assert_eq!(said(vec![connected(), west(true, false)], None), both(up, (false, "PeerAway")));
        assert_eq!(said(vec![connected(), west(true, true)], None), both(up, up));
        let lost = Event::Lost { why: "reset".into() };
        let none = (false, "HubUnreachable");
        assert_eq!(said(vec![connected(), west(true, true), lost], None), both(none, none));
    }
}
