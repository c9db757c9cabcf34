use std::time::Duration;

use isthmus_api::control::v1::{Bundles, EndpointsDelta, Unit};
use isthmus_core::{
    destination::{Backend, Endpoint, ProtocolHint, ServiceRoute},
    id::ObjectName,
};

use super::*;

fn key(port: u16) -> DestinationKey {
    DestinationKey { host: "10.43.0.1".into(), port }
}

fn service(ports: &[u16]) -> Destination {
    let endpoint = |port: &u16| Endpoint::local(([10, 42, 0, 1], *port).into(), None, "shop/web");
    let endpoints = ports.iter().map(endpoint).collect();
    let root = Backend { service: ObjectName::new("shop", "web"), port: 80, endpoints };
    Destination::Service(ServiceRoute { root, protocol: ProtocolHint::Detect, split: None })
}

fn message(key: &DestinationKey, version: &str, content: Content) -> ControllerMessage {
    ControllerMessage { key: Some(encode::destination_key(key)), version: version.into(), content: Some(content) }
}

fn whole(destination: &Destination) -> Content {
    Content::Destination(encode::destination(destination))
}

/// Takes a message over, as the session does.
fn take(state: &mut Subscriptions, message: ControllerMessage) -> Verdict {
    let version = message.version.clone();
    let verdict = state.receive(message);
    if let Verdict::Apply(change) = &verdict {
        state.hold(change.clone(), version);
    }
    verdict
}

#[test]
fn a_destination_is_subscribed_once_and_held_by_its_version() {
    let (mut state, now) = (Subscriptions::default(), Instant::now());
    let subscribe = state.want(&key(80), now).unwrap();
    assert_eq!((subscribe.key, subscribe.held.as_str()), (Some(encode::destination_key(&key(80))), ""));
    assert_eq!(state.want(&key(80), now), None);
    let applied = take(&mut state, message(&key(80), "v1", whole(&service(&[1]))));
    assert_eq!(applied, Verdict::Apply(Change::Destination(key(80), Arc::new(service(&[1])))));
    let held: Vec<String> = state.all().into_iter().map(|s| s.held).collect();
    assert_eq!(held, ["", "", "v1"], "bundles, inbound, the destination");
    assert_eq!(state.receive(message(&key(80), "v1", Content::Unchanged(Unit {}))), Verdict::Held);
}

#[test]
fn a_delta_needs_the_version_it_starts_from() {
    let mut state = Subscriptions::default();
    let delta = |from: &str| {
        let (old, new) = (service(&[1]), service(&[2]));
        Content::Endpoints(delta::between(&old, &new, from).unwrap())
    };
    assert_eq!(state.receive(message(&key(80), "v2", delta("v1"))), Verdict::Stray);
    state.want(&key(80), Instant::now());
    assert!(matches!(state.receive(message(&key(80), "v2", delta("v1"))), Verdict::Resubscribe(_)));
    take(&mut state, message(&key(80), "v1", whole(&service(&[1]))));
    assert!(matches!(state.receive(message(&key(80), "v3", delta("v2"))), Verdict::Resubscribe(_)));
    assert!(matches!(take(&mut state, message(&key(80), "v2", delta("v1"))), Verdict::Apply(_)));
    assert_eq!(*state.held(&key(80)).unwrap(), service(&[2]));
}

#[test]
fn what_cannot_be_read_is_refused_and_what_was_held_stays() {
    let mut state = Subscriptions::default();
    state.want(&key(80), Instant::now());
    take(&mut state, message(&key(80), "v1", whole(&service(&[1]))));
    let broken = Content::Destination(isthmus_api::control::v1::Destination { kind: None });
    assert!(matches!(take(&mut state, message(&key(80), "v2", broken)), Verdict::Refuse(_)));
    let confused = Content::Bundles(Bundles::default());
    assert!(matches!(take(&mut state, message(&key(80), "v2", confused)), Verdict::Refuse(_)));
    let change = Content::Endpoints(EndpointsDelta { from: "v1".into(), backends: vec![Default::default()] });
    assert!(matches!(take(&mut state, message(&key(80), "v2", change)), Verdict::Refuse(_)));
    assert_eq!(*state.held(&key(80)).unwrap(), service(&[1]));
    let nobodys = ControllerMessage { key: None, version: String::new(), content: None };
    assert_eq!(state.receive(nobodys), Verdict::Stray);
}

#[test]
fn idle_destinations_are_forgotten_and_used_ones_are_not() {
    let (mut state, begin) = (Subscriptions::default(), Instant::now());
    let later = begin + Duration::from_secs(100);
    state.want(&key(80), begin);
    state.want(&key(81), begin);
    state.used(&key(81), later);
    assert_eq!(state.forget(later), [key(80)]);
    assert_eq!(state.len(), 1);
    assert_eq!(state.receive(message(&key(80), "v1", whole(&service(&[1])))), Verdict::Stray);
    assert!(state.want(&key(80), later).is_some());
}

#[test]
fn the_shown_state_names_versions_and_contents() {
    let mut state = Subscriptions::default();
    state.want(&key(80), Instant::now());
    take(&mut state, message(&key(80), "v1", whole(&service(&[1]))));
    let shown = state.shown();
    assert_eq!(shown["destinations"][0]["version"], "v1");
    assert_eq!(shown["destinations"][0]["destination"]["root"]["endpoints"][0]["addr"], "10.42.0.1:1");
}
