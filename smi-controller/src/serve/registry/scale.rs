//! What a change costs, by counting: its subscribers, and nothing of the rest of the mesh.

use hyper::body::Bytes;
use isthmus_core::destination::DestinationKey;
use serde_json::{Value, json};

use super::*;
use crate::{fault::Kind, testing::*};

const PROXIES: usize = 500;
const SERVICES: usize = 200;

fn name(i: usize) -> String {
    format!("s{i}")
}

fn address(i: usize) -> String {
    format!("10.43.{}.{}", i / 250, i % 250 + 1)
}

fn key(i: usize) -> Key {
    Key::Destination("".into(), DestinationKey { host: address(i).into(), port: 80 })
}

fn split(root: usize, weight: u32) -> Value {
    let spec = json!({"service": name(root), "backends": [{"service": name(root + 1), "weight": weight}]});
    with(object("TrafficSplit", &name(root), spec), "/metadata/generation", json!(weight))
}

fn endpoints(service: usize, pods: &[usize]) -> Value {
    let all: Vec<(String, String)> = pods.iter().map(|p| (format!("p{p}"), format!("10.42.1.{p}"))).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(pod, ip)| (pod.as_str(), ip.as_str())).collect();
    slice(&name(service), &[("p80", 8080)], &all)
}

fn object_of(root: usize) -> ObjectRef {
    ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", name(root).as_str()) }
}

/// Many proxies, all of which call Service 0, and each of two more; Services 0 and 100 are split.
fn mesh() -> (Registry, Vec<SessionId>) {
    let mut registry = Registry::new(index_of([]), Vec::new());
    let services = (0..SERVICES).map(|i| service(&name(i), &address(i), &[80]));
    let slices = (0..SERVICES).map(|i| endpoints(i, &[i]));
    let pods = (1..4).map(|i| pod(&format!("p{i}"), "web", &format!("10.42.1.{i}")));
    registry.update(services.chain(slices).chain(pods).chain([split(0, 1), split(100, 1)]).map(applied));
    let sessions: Vec<SessionId> = (0..PROXIES)
        .map(|i| {
            let id = registry.open(ObjectName::new("shop", format!("p{i}").as_str())).0;
            for service in [0, i % SERVICES, (i * 7 + 3) % SERVICES] {
                registry.subscribe(id, key(service), String::new()).unwrap();
            }
            id
        })
        .collect();
    settle(&mut registry, &sessions);
    registry.take_unsettled();
    registry.take_work();
    (registry, sessions)
}

/// Every proxy hears and acknowledges all that there is. Gives the frames.
fn settle(registry: &mut Registry, sessions: &[SessionId]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    for id in sessions {
        while let Some(frame) = registry.next(*id) {
            let keys: Vec<Key> = registry.sessions[id].subscriptions.keys().cloned().collect();
            for key in keys {
                let version = registry.resources[&key].compiled.as_ref().unwrap().version.clone();
                registry.ack(*id, &key, &version);
            }
            frames.push(frame);
        }
    }
    frames
}

fn subscribers(registry: &Registry, service: usize) -> usize {
    registry.resources[&key(service)].subscribers.len()
}

#[test]
fn a_change_is_made_and_encoded_once_and_sent_to_its_subscribers_alone() {
    let (mut registry, sessions) = mesh();
    let (popular, quiet) = (subscribers(&registry, 0), subscribers(&registry, 100));
    assert!(popular == PROXIES && (1..10).contains(&quiet), "{popular} {quiet}");
    for (root, to) in [(0, popular), (100, quiet)] {
        registry.update([applied(split(root, 2))]);
        assert_eq!(registry.sessions.values().filter(|session| !session.pending.is_empty()).count(), to);
        let frames = settle(&mut registry, &sessions);
        let first = frames[0].as_ptr();
        assert!(frames.iter().all(|frame| frame.as_ptr() == first), "one encoding serves all");
        // The destination and the split's own check.
        let expected = Work { made: 2, encoded: 1, whole: to as u64, ..Work::default() };
        assert_eq!(registry.take_work(), expected);
        assert_eq!(registry.take_unsettled(), BTreeSet::from([object_of(root)]));
        let effect = registry.state_of(&object_of(root)).unwrap().1;
        assert_eq!((effect.programmed, effect.concerned), (to, to));
    }
}

#[test]
fn changed_endpoints_are_one_delta_for_all() {
    let (mut registry, sessions) = mesh();
    let to = subscribers(&registry, 0) as u64;
    // Of the backend of Service 0's split: which is itself called by some.
    let direct = subscribers(&registry, 1) as u64;
    registry.update([applied(endpoints(1, &[1, 2, 3]))]);
    settle(&mut registry, &sessions);
    // Both destinations, and the check of the split that names the backend.
    let work = registry.take_work();
    assert_eq!((work.encoded, work.whole, work.delta), (2, 0, to + direct), "{work:?}");
}

#[test]
fn a_burst_costs_what_one_change_costs() {
    let (mut registry, sessions) = mesh();
    registry.update((2..100).map(|weight| applied(split(0, weight))));
    settle(&mut registry, &sessions);
    let expected = Work { made: 2, encoded: 1, whole: PROXIES as u64, ..Work::default() };
    assert_eq!(registry.take_work(), expected);
}

#[test]
fn a_proxy_that_is_slow_gets_the_newest_when_it_has_caught_up_and_costs_others_nothing() {
    let (mut registry, sessions) = mesh();
    let (slow, others) = sessions.split_first().unwrap();
    let version = |registry: &Registry| registry.resources[&key(0)].compiled.as_ref().unwrap().version.clone();
    let mut heard = Vec::new();
    for weight in 2..50 {
        registry.update([applied(split(0, weight))]);
        assert_eq!(settle(&mut registry, others).len(), PROXIES - 1);
        heard.extend(registry.next(*slow).map(|_| version(&registry)));
    }
    assert_eq!(heard.len(), 2, "what it hasn't acknowledged is bounded");
    let effect = registry.state_of(&object_of(0)).unwrap().1;
    assert_eq!((effect.programmed, effect.concerned), (PROXIES - 1, PROXIES));
    registry.take_work();
    registry.ack(*slow, &key(0), &heard[0]);
    assert!(registry.next(*slow).is_some());
    assert!(registry.next(*slow).is_none());
    let newest = version(&registry);
    registry.ack(*slow, &key(0), &newest);
    assert!(registry.next(*slow).is_none(), "it has the newest now");
    assert_eq!(registry.state_of(&object_of(0)).unwrap().1.programmed, PROXIES);
    assert_eq!(registry.take_work().encoded, 0, "the others' message served it too");
}

#[test]
fn an_acknowledgement_unsettles_only_what_it_concerns() {
    let (mut registry, sessions) = mesh();
    let id = sessions[5];
    registry.update([applied(endpoints(5, &[5, 6]))]);
    settle(&mut registry, &[id]);
    assert!(registry.take_unsettled().is_empty(), "no SMI object is behind that destination");
}

#[test]
fn those_that_come_back_all_at_once_cost_one_encoding_for_each_resource() {
    let (mut registry, sessions) = mesh();
    let held: Vec<(ObjectName, Vec<Key>)> = sessions
        .iter()
        .map(|id| (registry.sessions[id].pod.clone(), registry.sessions[id].subscriptions.keys().cloned().collect()))
        .collect();
    let version =
        |registry: &Registry, key: &Key| registry.resources[key].compiled.as_ref().unwrap().version.to_string();
    let versions: Vec<Vec<String>> =
        held.iter().map(|(_, keys)| keys.iter().map(|key| version(&registry, key)).collect()).collect();
    for id in &sessions {
        registry.close(*id);
    }
    assert!(registry.resources.is_empty());
    registry.take_work();
    let mut back = Vec::new();
    for ((pod, keys), versions) in held.into_iter().zip(versions) {
        let id = registry.open(pod).0;
        for (key, version) in keys.into_iter().zip(versions) {
            registry.subscribe(id, key, version).unwrap();
        }
        back.push(id);
    }
    let frames = settle(&mut registry, &back);
    let work = registry.take_work();
    let expected =
        Work { made: SERVICES as u64, encoded: SERVICES as u64, unchanged: frames.len() as u64, ..Work::default() };
    assert_eq!(work, expected);
    assert_eq!(registry.state_of(&object_of(0)).unwrap().1.programmed, PROXIES);
}
