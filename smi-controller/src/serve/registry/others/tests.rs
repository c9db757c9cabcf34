mod property;

use isthmus_core::id::TrustDomain;
use isthmus_identity::{Authority, Bundle, Duty, Standing};
use serde_json::{Value, json};

use super::*;
use crate::{
    serve::{InEffect, registry::SessionId},
    testing::*,
};

const A: &str = "isthmus-controller-a";
const B: &str = "isthmus-controller-b";

/// A pod of the controller.
fn replica(name: &str, ip: &str) -> Value {
    let pod = with(pod(name, NAME, ip), "/metadata/namespace", json!("isthmus-system"));
    with(with(pod, "/metadata/labels", json!({LABEL: NAME})), "/spec/initContainers", json!([]))
}

fn own_bundle() -> Bundle {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let hour = std::time::Duration::from_secs(3600);
    Authority::generate(domain, std::time::SystemTime::now(), hour).unwrap().bundle(1)
}

/// Replicas A and B of a mesh that has a peer, each with what it counts alone.
fn two() -> (Registry, Registry) {
    let manifests = || [replica(A, "10.42.0.2"), replica(B, "10.42.0.3"), pod("web", "web", "10.42.0.20")];
    let (bundle, west) = (own_bundle(), peer("west"));
    let make = |own| {
        let mut registry = Registry::new(index_of([]), vec![bundle.clone()]);
        registry.update(manifests().into_iter().chain([west.clone()]).map(applied));
        registry.set_replica(own);
        registry
    };
    (make(A), make(B))
}

fn west() -> ObjectRef {
    ObjectRef { kind: Kind::MeshPeer, name: ObjectName::new("", "west") }
}

fn state(registry: &Registry) -> InEffect {
    registry.state_of(&west()).unwrap().1
}

/// A proxy that has connected to a replica; it takes over what it hears.
fn connect(registry: &mut Registry, pod: &str) -> SessionId {
    let id = registry.open(ObjectName::new("shop", pod)).0;
    registry.subscribe(id, Key::Bundles, String::new()).unwrap();
    id
}

fn take_over(registry: &mut Registry, id: SessionId) {
    use prost::Message;
    while let Some(frame) = registry.next(id) {
        let message = isthmus_api::control::v1::ControllerMessage::decode(&frame[5..]).unwrap();
        registry.ack(id, &Key::Bundles, &message.version);
    }
}

#[test]
fn another_replica_is_waited_for_from_the_moment_that_it_has_an_address() {
    let (mut a, mut b) = two();
    assert_eq!(a.replicas().keys().map(|name| &**name).collect::<Vec<_>>(), [B]);
    assert_eq!(state(&a).unknown, Some(format!("replica {B} to say who is connected to it")));
    assert_eq!(a.waits_for_replica(0), state(&a).unknown);
    let follower = b.follow(A).unwrap().0;
    a.hear(B, b.report(follower).unwrap());
    assert_eq!((state(&a).unknown, a.waits_for_replica(1)), (None, None));
    assert_eq!(a.waits_for_replica(2), Some(format!("replica {B} to learn of it")));

    let id = connect(&mut b, "web");
    a.hear(B, b.report(follower).unwrap());
    let seen = state(&a);
    assert_eq!((seen.programmed, seen.concerned, seen.behind.as_deref()), (0, 1, Some("shop/web")));
    take_over(&mut b, id);
    a.hear(B, b.report(follower).unwrap());
    assert!(state(&a).is_complete() && state(&a).concerned == 1);
    assert_eq!(b.report(follower), None, "nothing is told twice");

    a.unheard(B);
    assert!(state(&a).unknown.is_some(), "what it said may be over");
    a.give_up(B);
    assert_eq!((state(&a).unknown, a.waits_for_replica(9)), (None, None));
    a.update([applied(with(replica(B, "10.42.0.3"), "/status/phase", json!("Succeeded")))]);
    assert!(a.replicas().is_empty());
}

#[test]
fn another_writing_of_an_object_is_waited_for_at_every_replica() {
    let (mut a, mut b) = two();
    let follower = b.follow(A).unwrap().0;
    a.hear(B, b.report(follower).unwrap());
    let newer = with(peer("west"), "/status/bundle", bundle_status("west", 2));
    a.update([applied(newer.clone())]);
    assert_eq!(state(&a).unknown, Some(format!("replica {B} to learn of it")));
    // No proxy is connected there, and it says so.
    b.update([applied(newer)]);
    a.hear(B, b.report(follower).unwrap());
    assert!(state(&a).is_complete());
}

#[test]
fn a_proxy_that_left_counts_by_what_it_held_until_its_pod_goes() {
    let (mut a, mut b) = two();
    let follower = b.follow(A).unwrap().0;
    let id = connect(&mut b, "web");
    take_over(&mut b, id);
    a.hear(B, b.report(follower).unwrap());
    b.close(id);
    a.hear(B, b.report(follower).unwrap());
    let seen = state(&a);
    assert_eq!((seen.programmed, seen.concerned), (1, 1), "it has what it is to have");
    let newer = with(peer("west"), "/status/bundle", bundle_status("west", 2));
    for registry in [&mut a, &mut b] {
        registry.update([applied(newer.clone())]);
    }
    a.hear(B, b.report(follower).unwrap());
    let seen = state(&a);
    assert_eq!((seen.programmed, seen.concerned), (0, 1));
    assert_eq!(seen.behind.as_deref(), Some("shop/web, which isn't connected"));
    a.take_unsettled();
    a.update([deleted("Pod", "web")]);
    assert!(state(&a).is_complete() && a.take_unsettled().contains(&west()));
}

#[test]
fn a_proxy_that_two_replicas_count_is_one() {
    let (mut a, mut b) = two();
    let follower = b.follow(A).unwrap().0;
    let ghost = connect(&mut b, "web");
    take_over(&mut b, ghost);
    a.hear(B, b.report(follower).unwrap());
    let id = connect(&mut a, "web");
    take_over(&mut a, id);
    let seen = state(&a);
    assert_eq!((seen.programmed, seen.concerned), (1, 1));
    assert_eq!(seen.unknown.as_deref(), Some("the proxy of shop/web, which is going from one replica to another"));
    b.close(ghost);
    a.hear(B, b.report(follower).unwrap());
    assert!(state(&a).is_complete() && state(&a).concerned == 1);
}

#[test]
fn a_rotation_is_told_of_proxies_elsewhere() {
    let (mut a, mut b) = two();
    let follower = b.follow(A).unwrap().0;
    let id = connect(&mut b, "web");
    a.hear(B, b.report(follower).unwrap());
    let standing = |a: &Registry, duty| a.standings(duty).0.get(&ObjectName::new("shop", "web")).cloned();
    assert_eq!(standing(&a, Duty::HoldBundle), Some(Standing::Behind));
    take_over(&mut b, id);
    let root = RootId::of(&own_bundle().roots[0]);
    b.certified(id, root);
    a.hear(B, b.report(follower).unwrap());
    assert_eq!(standing(&a, Duty::HoldBundle), Some(Standing::Done));
    assert_eq!(standing(&a, Duty::LeafOf(root)), Some(Standing::Done));
    assert_eq!(standing(&a, Duty::LeafOf(RootId::of(&own_bundle().roots[0]))), Some(Standing::Behind));
    // Another session of the pod here has said nothing yet: what is less far counts.
    connect(&mut a, "web");
    assert_eq!(standing(&a, Duty::LeafOf(root)), Some(Standing::Behind));
}

#[test]
fn a_revocation_is_confirmed_by_all_and_what_was_cut_is_summed_up() {
    let (mut a, mut b) = two();
    let follower = b.follow(A).unwrap().0;
    let (here, there) = (connect(&mut a, "api"), connect(&mut b, "web"));
    take_over(&mut a, here);
    take_over(&mut b, there);
    a.hear(B, b.report(follower).unwrap());
    let leaving = with(peer("west"), "/metadata/deletionTimestamp", json!("2026-02-01T00:00:00Z"));
    let leaving = with(leaving, "/metadata/generation", json!(2));
    a.update([applied(leaving.clone())]);
    take_over(&mut a, here);
    let farewell = a.farewell(&west().name);
    assert!(farewell.unknown && farewell.holding == 0 && farewell.proxies == 2);
    b.update([applied(leaving)]);
    a.hear(B, b.report(follower).unwrap());
    let farewell = a.farewell(&west().name);
    assert_eq!((farewell.unknown, farewell.holding), (false, 1));
    let version = b.version_of_roots().unwrap().clone();
    take_over(&mut b, there);
    b.has_cut(Some(&version), 3);
    a.hear(B, b.report(follower).unwrap());
    let farewell = a.farewell(&west().name);
    assert_eq!((farewell.unknown, farewell.holding, farewell.cut), (false, 0, 3));
}
