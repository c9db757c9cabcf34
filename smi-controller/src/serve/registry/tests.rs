use isthmus_api::{
    control::v1::{ControllerMessage, controller_message::Content},
    decode, delta,
};
use isthmus_core::destination::{Destination, DestinationKey};
use prost::Message;
use serde_json::{Value, json};

use super::{sessions::TooManySubscriptions, *};
use crate::{
    fault::Kind,
    serve::{InEffect, session::MAX_SUBSCRIPTIONS},
    testing::*,
};

fn registry(manifests: impl IntoIterator<Item = Value>) -> Registry {
    let mut registry = Registry::new(index_of([]), Vec::new());
    registry.update(manifests.into_iter().map(applied));
    registry
}

fn shop() -> Vec<Value> {
    vec![
        service("web", "10.43.0.10", &[80]),
        service("blue", "10.43.0.11", &[80]),
        slice("blue", &[("p80", 8080)], &[("blue-1", "10.42.0.11")]),
        pod("blue-1", "blue", "10.42.0.11"),
        pod("blue-2", "blue", "10.42.0.12"),
        pod("client", "web", "10.42.0.20"),
    ]
}

fn split(weight: u32, generation: i64) -> Value {
    let spec = json!({"service": "web", "backends": [{"service": "blue", "weight": weight}]});
    with(object("TrafficSplit", "s", spec), "/metadata/generation", json!(generation))
}

fn web() -> Key {
    Key::Destination("".into(), DestinationKey { host: "10.43.0.10".into(), port: 80 })
}

fn open(registry: &mut Registry) -> SessionId {
    let id = registry.open(ObjectName::new("shop", "client")).0;
    registry.subscribe(id, web(), String::new()).unwrap();
    id
}

/// What a proxy hears next, as it reads it.
fn hear(registry: &mut Registry, id: SessionId) -> Option<ControllerMessage> {
    registry.next(id).map(|frame| ControllerMessage::decode(&frame[5..]).unwrap())
}

/// Hears and acknowledges.
fn take(registry: &mut Registry, id: SessionId) -> ControllerMessage {
    let message = hear(registry, id).expect("there is nothing to hear");
    registry.ack(id, &web(), &message.version);
    message
}

/// What was made because of a change.
fn made(registry: &mut Registry, update: Update) -> u64 {
    registry.take_work();
    registry.update([update]);
    registry.take_work().made
}

fn effect(registry: &mut Registry) -> (usize, usize) {
    let object = ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", "s") };
    let InEffect { concerned, programmed, .. } = registry.state_of(&object).unwrap().1;
    (programmed, concerned)
}

fn destination(message: &ControllerMessage) -> Destination {
    let Some(Content::Destination(destination)) = message.content.clone() else { panic!("{message:?}") };
    decode::destination(destination).unwrap()
}

#[test]
fn a_snapshot_comes_first_then_only_what_changed() {
    let mut registry = registry(shop());
    let id = open(&mut registry);
    let first = take(&mut registry, id);
    assert!(matches!(destination(&first), Destination::Service(route) if route.split.is_none()));
    assert!(hear(&mut registry, id).is_none());
    registry.update([applied(split(1, 1))]);
    let second = take(&mut registry, id);
    let held = destination(&second);
    registry.update([applied(slice("blue", &[("p80", 8080)], &[("blue-1", "10.42.0.11"), ("blue-2", "10.42.0.12")]))]);
    let third = hear(&mut registry, id).unwrap();
    let Some(Content::Endpoints(delta)) = third.content else { panic!("{third:?}") };
    assert_eq!((&delta.from, delta.backends[0].upsert.len()), (&second.version, 1));
    let Destination::Service(route) = delta::apply(&held, delta).unwrap() else { panic!() };
    assert_eq!(addresses(&route.split.unwrap().backends[0].0), ["10.42.0.11:8080", "10.42.0.12:8080"]);
    assert!(hear(&mut registry, id).is_none());
}

#[test]
fn a_pod_that_is_named_before_it_is_known_is_called_once_it_is() {
    let both = slice("blue", &[("p80", 8080)], &[("blue-1", "10.42.0.11"), ("late", "10.42.0.13")]);
    let mut registry = registry(shop().into_iter().chain([both, split(1, 1)]));
    let id = open(&mut registry);
    let of_blue = |held: &Destination| match held {
        Destination::Service(route) => addresses(&route.split.as_ref().unwrap().backends[0].0),
        other => panic!("{other:?}"),
    };
    let held = destination(&take(&mut registry, id));
    assert_eq!(of_blue(&held), ["10.42.0.11:8080"]);
    registry.update([applied(pod("late", "blue", "10.42.0.13"))]);
    let Some(Content::Endpoints(delta)) = take(&mut registry, id).content else { panic!("no delta") };
    let held = delta::apply(&held, delta).unwrap();
    assert_eq!(of_blue(&held), ["10.42.0.11:8080", "10.42.0.13:8080"]);
}

#[test]
fn what_nobody_uses_is_not_made_and_what_does_not_depend_is_not_sent() {
    let mut registry = registry(shop());
    let id = open(&mut registry);
    hear(&mut registry, id).unwrap();
    assert_eq!(made(&mut registry, applied(pod("other", "x", "10.42.0.99"))), 0);
    assert_eq!(made(&mut registry, applied(service("blue", "10.43.0.11", &[80, 81]))), 0);
    assert!(hear(&mut registry, id).is_none());
    registry.unsubscribe(id, &web());
    assert!(registry.resources.is_empty());
    assert_eq!(made(&mut registry, applied(split(1, 1))), 1, "its own check only");
}

#[test]
fn a_burst_of_changes_is_sent_once() {
    let mut registry = registry(shop());
    let id = open(&mut registry);
    hear(&mut registry, id).unwrap();
    for weight in 1..50 {
        registry.update([applied(split(weight, weight.into()))]);
    }
    let Destination::Service(route) = destination(&hear(&mut registry, id).unwrap()) else { panic!() };
    assert_eq!(route.split.unwrap().backends[0].1, 49);
    assert!(hear(&mut registry, id).is_none());
}

#[test]
fn a_version_that_is_held_is_not_sent_again() {
    let mut registry = registry(shop().into_iter().chain([split(1, 1)]));
    let id = open(&mut registry);
    let version = hear(&mut registry, id).unwrap().version;
    let again = registry.open(ObjectName::new("shop", "client")).0;
    registry.subscribe(again, web(), version.clone()).unwrap();
    let message = hear(&mut registry, again).unwrap();
    assert!(matches!(message.content, Some(Content::Unchanged(_))) && message.version == version);
    assert_eq!(effect(&mut registry), (1, 1), "what it holds is in effect");
}

#[test]
fn an_object_is_programmed_when_every_proxy_that_uses_it_has_acknowledged_its_generation() {
    let mut registry = registry(shop().into_iter().chain([split(1, 1), pod("second", "web", "10.42.0.21")]));
    assert_eq!(effect(&mut registry), (0, 0));
    let first = open(&mut registry);
    let second = registry.open(ObjectName::new("shop", "second")).0;
    registry.subscribe(second, web(), String::new()).unwrap();
    assert_eq!(effect(&mut registry), (0, 2));
    for id in [first, second] {
        let version = hear(&mut registry, id).unwrap().version;
        registry.ack(id, &web(), &version);
    }
    assert_eq!(effect(&mut registry), (2, 2));
    registry.update([applied(split(2, 2))]);
    assert_eq!(effect(&mut registry), (0, 2));
    let version = hear(&mut registry, first).unwrap().version;
    registry.ack(first, &web(), &version);
    assert_eq!(effect(&mut registry), (1, 2));
    registry.close(second);
    assert_eq!(effect(&mut registry), (1, 1));
}

#[test]
fn an_object_that_is_made_anew_is_not_programmed_by_what_its_namesake_was() {
    let mut registry = registry(shop().into_iter().chain([split(1, 1)]));
    let id = open(&mut registry);
    take(&mut registry, id);
    assert_eq!(effect(&mut registry), (1, 1));
    // Its generation is 1 as well.
    let anew = with(split(2, 1), "/metadata/uid", json!("another"));
    registry.update([deleted("TrafficSplit", "s"), applied(anew)]);
    assert_eq!(effect(&mut registry), (0, 1), "the proxy still has the old weights");
    take(&mut registry, id);
    assert_eq!(effect(&mut registry), (1, 1));
}

#[test]
fn an_acknowledgement_of_something_older_or_unknown_counts_for_what_it_is() {
    let mut registry = registry(shop().into_iter().chain([split(1, 1)]));
    let id = open(&mut registry);
    let old = hear(&mut registry, id).unwrap().version;
    registry.update([applied(split(2, 2))]);
    let new = hear(&mut registry, id).unwrap().version;
    registry.ack(id, &web(), &old);
    registry.ack(id, &web(), "never sent");
    assert_eq!(effect(&mut registry), (0, 1));
    registry.ack(id, &web(), &new);
    assert_eq!(effect(&mut registry), (1, 1));
}

#[test]
fn a_split_that_moves_to_another_root_must_have_left_the_old_one() {
    let mut registry = registry(shop().into_iter().chain([split(1, 1)]));
    let id = open(&mut registry);
    let version = hear(&mut registry, id).unwrap().version;
    registry.ack(id, &web(), &version);
    registry.update([applied(with(split(1, 2), "/spec/service", json!("blue")))]);
    assert_eq!(effect(&mut registry), (0, 1));
    let version = hear(&mut registry, id).unwrap().version;
    registry.ack(id, &web(), &version);
    assert_eq!(effect(&mut registry), (0, 0), "no proxy uses it now");
}

#[test]
fn a_refused_delta_is_sent_as_a_whole_and_a_refused_whole_is_not_repeated() {
    let mut registry = registry(shop().into_iter().chain([split(1, 1)]));
    let id = open(&mut registry);
    hear(&mut registry, id).unwrap();
    registry.update([applied(slice("blue", &[("p80", 8080)], &[]))]);
    let delta = hear(&mut registry, id).unwrap();
    assert!(matches!(delta.content, Some(Content::Endpoints(_))));
    registry.refuse(id, &web(), &delta.version, "I hold something else");
    let whole = hear(&mut registry, id).unwrap();
    assert!(matches!(whole.content, Some(Content::Destination(_))) && whole.version == delta.version);
    registry.refuse(id, &web(), &whole.version, "no");
    assert!(hear(&mut registry, id).is_none());
    let object = ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", "s") };
    let effect = registry.state_of(&object).unwrap().1;
    assert_eq!(effect.refused, Some(("shop/client".into(), "no".into())));
    registry.update([applied(slice("blue", &[("p80", 8080)], &[("blue-1", "10.42.0.11")]))]);
    let next = hear(&mut registry, id).unwrap();
    assert!(matches!(next.content, Some(Content::Destination(_))), "no delta leads from what was refused");
    registry.ack(id, &web(), &next.version);
    assert_eq!(registry.sessions[&id].subscriptions[&web()].refusal(), None);
}

#[test]
fn what_is_no_version_is_not_kept() {
    let mut registry = registry(shop());
    let id = registry.open(ObjectName::new("shop", "client")).0;
    registry.subscribe(id, web(), "x".repeat(65)).unwrap();
    assert!(format!("{:?}", registry.sessions[&id].subscriptions[&web()]).contains("held: \"\""));
    assert!(matches!(hear(&mut registry, id).unwrap().content, Some(Content::Destination(_))));
}

#[test]
fn the_last_good_policy_of_a_pod_that_is_deleted_stays() {
    let mut registry = registry(shop());
    let id = registry.open(ObjectName::new("shop", "client")).0;
    let key = Key::Inbound(ObjectName::new("shop", "client"));
    registry.subscribe(id, key, String::new()).unwrap();
    hear(&mut registry, id).unwrap();
    registry.update([deleted("Pod", "client")]);
    assert!(hear(&mut registry, id).is_none());
}

#[test]
fn a_generation_that_changes_nothing_is_in_effect_at_once() {
    let target = |generation: i64, port: i64| {
        let account = |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": "shop"});
        let spec = json!({"destination": account("web"), "sources": [account("blue")],
                          "rules": [{"kind": "TCPRoute", "name": "r"}]});
        let target = with(object("TrafficTarget", "t", spec), "/metadata/generation", json!(generation));
        with(target, "/spec/sources/0/port", json!(port))
    };
    let route = object("TCPRoute", "r", json!({"matches": {"ports": [80]}}));
    let mut registry = registry(shop().into_iter().chain([route, target(1, 1)]));
    let id = registry.open(ObjectName::new("shop", "client")).0;
    let key = Key::Inbound(ObjectName::new("shop", "client"));
    registry.subscribe(id, key.clone(), String::new()).unwrap();
    let version = hear(&mut registry, id).unwrap().version;
    registry.ack(id, &key, &version);
    registry.update([applied(target(2, 2))]);
    assert!(hear(&mut registry, id).is_none());
    let object = ObjectRef { kind: Kind::TrafficTarget, name: ObjectName::new("shop", "t") };
    let (checked, effect) = registry.state_of(&object).unwrap();
    assert_eq!((checked.generation, effect.programmed, effect.concerned), (2, 1, 1));
}

#[test]
fn a_newer_session_of_a_pod_ends_the_older() {
    let mut registry = registry(shop());
    let (old, _, replaced) = registry.open(ObjectName::new("shop", "client"));
    registry.subscribe(old, web(), String::new()).unwrap();
    let new = open(&mut registry);
    assert!(replaced.is_cancelled() && registry.session_count() == 1);
    registry.close(old);
    assert!(hear(&mut registry, new).is_some());
}

#[test]
fn subscriptions_are_limited() {
    let mut registry = registry([]);
    let id = registry.open(ObjectName::new("shop", "client")).0;
    let key = |port: u16| Key::Destination("".into(), DestinationKey { host: "10.9.9.9".into(), port });
    for port in 1..=MAX_SUBSCRIPTIONS {
        registry.subscribe(id, key(port as u16), String::new()).unwrap();
    }
    assert_eq!(registry.subscribe(id, key(20_000), String::new()), Err(TooManySubscriptions));
    assert_eq!(registry.subscribe(id, key(1), String::new()), Ok(()));
}

#[test]
fn what_no_proxy_would_take_is_not_sent_and_that_is_told() {
    let trust_domain = isthmus_core::id::TrustDomain::new("isthmus.local").unwrap();
    let huge = Bundle { trust_domain, roots: vec![vec![0; 9 << 20].into()], sequence: 1 };
    let mut registry = Registry::new(index_of([]), vec![huge]);
    let id = registry.open(ObjectName::new("shop", "client")).0;
    registry.subscribe(id, Key::Bundles, String::new()).unwrap();
    assert!(hear(&mut registry, id).is_none());
    let refusal = registry.sessions[&id].subscriptions[&Key::Bundles].refusal().unwrap();
    assert!(refusal.contains("more than the limit of 8388608"), "{refusal}");
}

#[test]
fn a_split_that_waits_for_its_endpoints_is_pending_and_then_in_effect() {
    let selecting = with(service("blue", "10.43.0.11", &[80]), "/spec/selector", json!({"v": "2"}));
    let labelled = |name: &str, ip: &str, v: &str| with(pod(name, "blue", ip), "/metadata/labels", json!({"v": v}));
    let mut registry = registry(shop().into_iter().chain([
        selecting,
        labelled("blue-1", "10.42.0.11", "1"),
        labelled("blue-2", "10.42.0.12", "2"),
        split(1, 1),
    ]));
    registry.begin_holding();
    let id = open(&mut registry);
    take(&mut registry, id);
    let now = tokio::time::Instant::now();
    registry.update([applied(split(2, 2))]);
    assert!(registry.settle(now).is_some() && hear(&mut registry, id).is_none(), "nothing changes yet");
    let object = ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", "s") };
    let waiting = registry.state_of(&object).unwrap().1;
    assert_eq!((waiting.programmed, waiting.concerned, waiting.is_pending()), (0, 1, true));
    assert!(waiting.unknown.unwrap().contains("Service shop/"), "it is told for whom");
    let counted = registry.count(&object).unwrap();
    assert_eq!(counted.stamp.generation, 1, "for other replicas, which may have let it go");
    registry.take_unsettled();
    let late = registry.settle(now + crate::index::HOLD);
    assert_eq!((late, registry.take_unsettled().contains(&object)), (None, true));
    take(&mut registry, id);
    let done = registry.state_of(&object).unwrap().1;
    assert_eq!((done.programmed, done.concerned, done.is_complete()), (1, 1, true));
    let work = registry.take_work();
    assert_eq!((work.agreed, work.expired), (0, 1));
}
