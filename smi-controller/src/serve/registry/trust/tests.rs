use std::time::{Duration, SystemTime};

use isthmus_api::control::v1::{ControllerMessage, controller_message::Content};
use isthmus_core::id::TrustDomain;
use isthmus_identity::Authority;
use prost::Message;

use super::*;
use crate::testing::*;

fn bundle(sequence: u64) -> Bundle {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    Authority::generate(domain, SystemTime::now(), Duration::from_secs(3600)).unwrap().bundle(sequence)
}

fn open(registry: &mut Registry) -> SessionId {
    let id = registry.open(ObjectName::new("shop", "client")).0;
    registry.subscribe(id, Key::Bundles, String::new()).unwrap();
    id
}

fn hear(registry: &mut Registry, id: SessionId) -> ControllerMessage {
    let frame = registry.next(id).expect("there is nothing to hear");
    ControllerMessage::decode(&frame[5..]).unwrap()
}

fn standing(registry: &Registry, duty: Duty) -> Standing {
    registry.standings(duty).0[&ObjectName::new("shop", "client")].clone()
}

#[test]
fn a_proxy_holds_the_roots_when_it_has_acknowledged_the_present_ones() {
    let mut registry = Registry::new(index_of([]), vec![bundle(1)]);
    let id = open(&mut registry);
    let first = hear(&mut registry, id);
    assert_eq!(standing(&registry, Duty::HoldBundle), Standing::Behind);
    registry.ack(id, &Key::Bundles, &first.version);
    assert_eq!(standing(&registry, Duty::HoldBundle), Standing::Done);

    registry.set_bundles(vec![bundle(2)]);
    assert_eq!(standing(&registry, Duty::HoldBundle), Standing::Behind);
    let second = hear(&mut registry, id);
    let Some(Content::Bundles(sent)) = &second.content else { panic!("{second:?}") };
    assert_eq!(sent.bundles[0].sequence, 2);
    registry.refuse(id, &Key::Bundles, &second.version, "root 0 is not a CA");
    assert_eq!(standing(&registry, Duty::HoldBundle), Standing::Refused("root 0 is not a CA".into()));
    // It had the older ones, which it goes on with; newer ones are another chance.
    registry.set_bundles(vec![bundle(3)]);
    let third = hear(&mut registry, id);
    registry.ack(id, &Key::Bundles, &third.version);
    assert_eq!(standing(&registry, Duty::HoldBundle), Standing::Done);
}

#[test]
fn a_proxy_shows_a_leaf_when_it_says_so_in_this_session() {
    let mut registry = Registry::new(index_of([]), vec![bundle(1)]);
    let (old, new) = (RootId::of(&bundle(1).roots[0]), RootId::of(&bundle(1).roots[0]));
    let id = open(&mut registry);
    assert_eq!(standing(&registry, Duty::LeafOf(new)), Standing::Behind);
    registry.certified(id, old);
    assert_eq!(standing(&registry, Duty::LeafOf(new)), Standing::Behind);
    registry.certified(id, new);
    assert_eq!(standing(&registry, Duty::LeafOf(new)), Standing::Done);
    open(&mut registry);
    assert_eq!(standing(&registry, Duty::LeafOf(new)), Standing::Behind);
    assert_eq!(standing(&registry, Duty::None), Standing::Done);
}

#[test]
fn pods_with_a_proxy_are_expected_until_they_are_over() {
    let over = with(pod("over", "web", "10.42.0.12"), "/status/phase", serde_json::json!("Succeeded"));
    let registry = Registry::new(index_of([pod("web-1", "web", "10.42.0.11"), over]), Vec::new());
    assert_eq!(registry.expected_proxies(), BTreeSet::from([ObjectName::new("shop", "web-1")]));
}

fn pod_of_the_gateway() -> serde_json::Value {
    let gateway = with(pod("gateway-1", "isthmus-gateway", "10.42.0.9"), "/spec/initContainers", serde_json::json!([]));
    with(gateway, "/metadata/namespace", serde_json::json!("isthmus-system"))
}

#[test]
fn gateways_are_waited_for_as_proxies_are() {
    let registry = Registry::new(index_of([pod("client", "web", "10.42.0.20"), pod_of_the_gateway()]), vec![]);
    let expected = [ObjectName::new("isthmus-system", "gateway-1"), ObjectName::new("shop", "client")];
    assert_eq!(registry.expected_proxies(), BTreeSet::from(expected));
}

#[test]
fn a_peers_bundle_comes_and_goes_with_the_peer_and_proxies_are_counted() {
    let mut registry = Registry::new(index_of([]), vec![bundle(1)]);
    registry.update([applied(peer("west"))]);
    let id = open(&mut registry);
    let west = crate::fault::ObjectRef { kind: crate::fault::Kind::MeshPeer, name: ObjectName::new("", "west") };
    let held = |registry: &Registry| registry.state_of(&west).map(|(_, effect)| (effect.programmed, effect.concerned));
    let domains = |message: &ControllerMessage| {
        let Some(Content::Bundles(sent)) = &message.content else { panic!("{message:?}") };
        sent.bundles.iter().map(|bundle| bundle.trust_domain.clone()).collect::<Vec<_>>()
    };
    let first = hear(&mut registry, id);
    assert_eq!(domains(&first), ["isthmus.local", "west.local"]);
    assert_eq!(held(&registry), Some((0, 1)));
    registry.ack(id, &Key::Bundles, &first.version);
    assert_eq!(held(&registry), Some((1, 1)));

    // The root of the peer is rotated: another bundle of the same generation.
    registry.update([applied(with(peer("west"), "/status/bundle", bundle_status("west", 2)))]);
    assert_eq!(held(&registry), Some((0, 1)));
    let second = hear(&mut registry, id);
    registry.ack(id, &Key::Bundles, &second.version);
    assert_eq!(held(&registry), Some((1, 1)));

    // Our own root is rotated: the peer's stays.
    registry.set_bundles(vec![bundle(2)]);
    let third = hear(&mut registry, id);
    assert_eq!(domains(&third), ["isthmus.local", "west.local"]);
    registry.ack(id, &Key::Bundles, &third.version);

    // It is revoked: gone for new proxies at once, and counted until the last one has acknowledged.
    let leaving = with(peer("west"), "/metadata/deletionTimestamp", serde_json::json!("2026-02-01T00:00:00Z"));
    registry.update([applied(leaving)]);
    assert_eq!(held(&registry), Some((0, 1)));
    assert_eq!(registry.bundles().len(), 1);
    let last = hear(&mut registry, id);
    assert_eq!(domains(&last), ["isthmus.local"]);
    registry.ack(id, &Key::Bundles, &last.version);
    // With what that has cut.
    registry.has_cut(Some(&last.version), 3);
    registry.has_cut(Some(&last.version), 4);
    let left_out = registry.left_out(&TrustDomain::new("west.local").unwrap()).unwrap();
    assert_eq!(registry.cut(left_out), 7);
    assert_eq!(held(&registry), Some((0, 0)));
}
