use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{index::HOLD, testing::*};

/// A Service of this version that selects pods by their hash.
fn selecting(name: &str, ip: &str, version: u64, hash: &str) -> Value {
    let service = with(service(name, ip, &[80]), "/spec/selector", json!({"hash": hash}));
    with(service, "/metadata/resourceVersion", json!(version.to_string()))
}

fn hashed(hash: usize) -> Value {
    with(pod(&pod_of(hash), "web", &ip_of(hash)), "/metadata/labels", json!({"hash": hash.to_string()}))
}

fn pod_of(hash: usize) -> String {
    format!("pod-{hash}")
}

fn ip_of(hash: usize) -> String {
    format!("10.42.0.{hash}")
}

fn listing(service: &str, hash: usize) -> Value {
    slice(service, &[("p80", 8080)], &[(&pod_of(hash), &ip_of(hash))])
}

/// The root is the stable Service, as Argo Rollouts has it if it isn't told otherwise.
fn split(generation: i64, canary: u32, stable: u32) -> Value {
    let backends = json!([{"service": "canary", "weight": canary}, {"service": "stable", "weight": stable}]);
    let split = object("TrafficSplit", "s", json!({"service": "stable", "backends": backends}));
    with(split, "/metadata/generation", json!(generation))
}

/// All traffic is at the canary, which has version 2; stable has version 1.
fn promoting() -> Index {
    let mut index = index_of([
        selecting("stable", "10.43.0.1", 1, "1"),
        selecting("canary", "10.43.0.2", 2, "2"),
        hashed(1),
        hashed(2),
        listing("stable", 1),
        listing("canary", 2),
        split(1, 100, 0),
    ]);
    index.begin_holding();
    index
}

fn take(index: &mut Index, manifest: Value) -> Facts {
    let mut facts = Facts::new();
    index.update(applied(manifest), &mut facts);
    facts
}

fn settle(index: &mut Index, now: Instant) -> Settled {
    index.settle(now, &mut Facts::new())
}

/// Whom callers are sent to.
fn called(index: &Index) -> Vec<String> {
    let shares = shares(&route(index, "stable", 80)).into_iter();
    shares.filter(|(_, weight, _)| *weight > 0).flat_map(|(.., endpoints)| endpoints).collect()
}

fn generation(index: &Index) -> i64 {
    route(index, "stable", 80).split.map_or(0, |split| split.generation)
}

/// Answers all looks that are due with these versions.
fn look(index: &mut Index, versions: &[(&str, Option<u64>)]) {
    for look in index.take_looks() {
        let seen = versions.iter().map(|(name, version)| (ObjectName::new("shop", *name), *version)).collect();
        index.looked(&look, seen);
    }
}

#[test]
fn a_split_that_comes_before_its_services_selector_waits_for_it_and_for_the_endpoints() {
    let (mut index, now) = (promoting(), Instant::now());
    take(&mut index, split(2, 0, 100));
    for _ in 0..2 {
        assert_eq!(settle(&mut index, now).released, BTreeSet::new());
        assert_eq!((generation(&index), called(&index)), (1, vec!["10.42.0.2:8080".into()]));
        // The API server has a newer one than the watch has shown: everything that is known agrees still.
        look(&mut index, &[("stable", Some(3))]);
    }
    take(&mut index, selecting("stable", "10.43.0.1", 3, "2"));
    assert_eq!(settle(&mut index, now).released, BTreeSet::new(), "its slice lists the old pod");
    assert_eq!(index.split_waits_for(&ObjectName::new("shop", "s")), Some(&ObjectName::new("shop", "stable")));
    take(&mut index, listing("stable", 2));
    let settled = settle(&mut index, now);
    assert_eq!((settled.released.len(), settled.agreed, settled.expired), (1, 1, 0));
    assert_eq!((generation(&index), called(&index)), (2, vec!["10.42.0.2:8080".into()]));
}

#[test]
fn without_waiting_old_pods_would_be_called() {
    let mut index = promoting();
    index.splits.holds = Default::default();
    take(&mut index, split(2, 0, 100));
    assert_eq!(called(&index), ["10.42.0.1:8080"]);
}

#[test]
fn a_wait_is_bounded_and_what_it_was_for_is_told() {
    let (mut index, start) = (promoting(), Instant::now());
    take(&mut index, selecting("stable", "10.43.0.1", 3, "2"));
    take(&mut index, split(2, 0, 100));
    assert_eq!(settle(&mut index, start).next, Some(start + HOLD));
    look(&mut index, &[("stable", Some(3))]);
    let almost = start + HOLD - Duration::from_millis(1);
    assert_eq!(settle(&mut index, almost).released, BTreeSet::new());
    let settled = settle(&mut index, start + HOLD);
    assert_eq!((settled.released.len(), settled.expired, settled.next), (1, 1, None));
    assert_eq!(generation(&index), 2);
    assert_eq!(reasons(&index, Kind::TrafficSplit, "s"), ["EndpointsBehind"]);
    take(&mut index, listing("stable", 2));
    settle(&mut index, start + HOLD);
    assert!(reasons(&index, Kind::TrafficSplit, "s").is_empty(), "they are there now");
}

#[test]
fn nobody_answers_and_the_split_takes_effect_all_the_same() {
    let (mut index, start) = (promoting(), Instant::now());
    take(&mut index, split(2, 50, 50));
    assert_eq!(settle(&mut index, start).released, BTreeSet::new());
    assert_eq!(settle(&mut index, start + HOLD).released.len(), 1);
}

#[test]
fn a_look_for_another_writing_is_not_taken() {
    let (mut index, now) = (promoting(), Instant::now());
    take(&mut index, split(2, 0, 100));
    let older = index.take_looks();
    take(&mut index, split(3, 100, 0));
    index.looked(&older[0], BTreeMap::from([(ObjectName::new("shop", "canary"), Some(2))]));
    settle(&mut index, now);
    assert_eq!(generation(&index), 1, "although it says what the first did: the canary may be another now");
    look(&mut index, &[("stable", Some(1)), ("canary", Some(2))]);
    settle(&mut index, now);
    assert_eq!((generation(&index), index.is_look_due()), (3, false));
}

#[test]
fn a_split_that_is_deleted_leaves_when_the_roots_own_endpoints_are_there() {
    let (mut index, now) = (promoting(), Instant::now());
    index.update(deleted("TrafficSplit", "s"), &mut Facts::new());
    take(&mut index, selecting("stable", "10.43.0.1", 3, "2"));
    look(&mut index, &[("stable", Some(3))]);
    settle(&mut index, now);
    assert_eq!(generation(&index), 1);
    take(&mut index, listing("stable", 2));
    settle(&mut index, now);
    assert_eq!(route(&index, "stable", 80).split, None);
}

#[test]
fn what_no_traffic_goes_to_and_what_selects_nothing_is_not_waited_for() {
    let (mut index, now) = (promoting(), Instant::now());
    // The canary's endpoints are those of nobody that it selects.
    take(&mut index, listing("canary", 1));
    take(&mut index, service("stable", "10.43.0.1", &[80]));
    take(&mut index, split(2, 0, 100));
    look(&mut index, &[("stable", Some(0))]);
    settle(&mut index, now);
    assert_eq!(generation(&index), 1, "the watch has shown no version of it");
    take(&mut index, with(service("stable", "10.43.0.1", &[80]), "/metadata/resourceVersion", json!("9")));
    settle(&mut index, now);
    assert_eq!(generation(&index), 2);
}

#[test]
fn a_backend_that_comes_to_be_is_waited_for_and_left_out_until_it_has_a_slice() {
    let (mut index, now) = (promoting(), Instant::now());
    let late = object(
        "TrafficSplit",
        "s",
        json!({"service": "stable",
        "backends": [{"service": "late", "weight": 1}, {"service": "stable", "weight": 1}]}),
    );
    take(&mut index, with(late, "/metadata/generation", json!(2)));
    look(&mut index, &[("stable", Some(1)), ("late", None)]);
    assert_eq!(settle(&mut index, now).agreed, 1, "what isn't there isn't waited for");
    assert_eq!(shares(&route(&index, "stable", 80)).len(), 1);
    take(&mut index, selecting("late", "10.43.0.3", 4, "2"));
    assert_eq!(shares(&route(&index, "stable", 80)).len(), 1, "its share would be answered 503");
    take(&mut index, listing("late", 2));
    assert_eq!(shares(&route(&index, "stable", 80)).len(), 2);
}

/// What is written, in its order, with the version that the stable and the canary Service have then.
fn script(rounds: usize) -> Vec<(Value, [usize; 2])> {
    let (mut writes, mut version, mut at) = (Vec::new(), 10, [1, 2]);
    for round in 1..=rounds {
        let generation = 2 * i64::try_from(round).unwrap();
        let mut write = |manifest: Value, at: [usize; 2]| writes.push((manifest, at));
        at[0] = round + 1;
        version += 1;
        write(selecting("stable", "10.43.0.1", version, &at[0].to_string()), at);
        write(split(generation, 0, 100), at);
        write(listing("stable", at[0]), at);
        at[1] = round + 2;
        version += 1;
        write(selecting("canary", "10.43.0.2", version, &at[1].to_string()), at);
        write(split(generation + 1, 100, 0), at);
        write(listing("canary", at[1]), at);
    }
    writes
}

fn version_of(manifest: &Value) -> Option<u64> {
    manifest.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok()
}

proptest! {
    /// Each watch tells its kind's changes in their order, and lags behind the others as it likes; so do the looks.
    #[test]
    fn a_new_weight_never_meets_endpoints_older_than_it(order in prop::collection::vec(0..5_usize, 60), rounds in 1..4_usize) {
        let writes = script(rounds);
        let (mut index, now) = (promoting(), Instant::now());
        (3..=rounds + 2).for_each(|hash| drop(take(&mut index, hashed(hash))));
        let mut queues: BTreeMap<&str, VecDeque<Value>> = BTreeMap::new();
        let (mut world, mut pending) = (writes.iter(), Vec::new());
        let (mut versions, mut implied) = ([Some(1), Some(2)], BTreeMap::from([(1, [1, 2])]));
        // At the end everything arrives.
        for step in order.into_iter().chain((0..200).map(|n| n % 5)) {
            let kind = ["Service", "EndpointSlice", "TrafficSplit"].get(step).copied();
            match (step, kind) {
                (_, Some(kind)) => {
                    if let Some(manifest) = queues.get_mut(kind).and_then(VecDeque::pop_front) {
                        take(&mut index, manifest);
                    }
                }
                (3, _) => {
                    let Some((manifest, at)) = world.next() else { continue };
                    let name = manifest["metadata"]["name"].as_str().unwrap();
                    match manifest["kind"].as_str().unwrap() {
                        "Service" => versions[usize::from(name == "canary")] = version_of(manifest),
                        "TrafficSplit" => drop(implied.insert(manifest["metadata"]["generation"].as_i64().unwrap(), *at)),
                        _ => {}
                    }
                    queues.entry(manifest["kind"].as_str().unwrap()).or_default().push_back(manifest.clone());
                }
                _ => {
                    // What was asked the time before is answered, by what was true then.
                    for (look, seen) in std::mem::take(&mut pending) {
                        index.looked(&look, seen);
                    }
                    let names = ["stable", "canary"].map(|name| ObjectName::new("shop", name));
                    let seen: BTreeMap<_, _> = names.into_iter().zip(versions).collect();
                    pending = index.take_looks().into_iter().map(|look| (look, seen.clone())).collect();
                }
            }
            settle(&mut index, now);
            let generation = generation(&index);
            let least = implied[&generation][usize::from(generation % 2 == 1)];
            for address in called(&index) {
                let hash: usize = address.split([':', '.']).nth(3).unwrap().parse().unwrap();
                prop_assert!(hash >= least, "generation {generation} calls {address}, and means {least} at least");
            }
        }
        prop_assert_eq!(generation(&index), 2 * i64::try_from(rounds).unwrap() + 1, "everything is here");
    }
}

#[test]
fn what_is_seen_of_services_is_of_this_version_or_newer() {
    let mut index = promoting();
    let stable = ObjectName::new("shop", "stable");
    let seen = |index: &Index, version| index.services.is_seen(&stable, version);
    assert!(seen(&index, Some(1)) && !seen(&index, Some(2)) && !seen(&index, None));
    let facts = take(&mut index, selecting("stable", "10.43.0.1", 7, "1"));
    assert!(facts.is_empty() && seen(&index, Some(7)), "only its version has changed");
    index.update(deleted("Service", "stable"), &mut Facts::new());
    assert!(seen(&index, None) && !seen(&index, Some(1)));
}

#[test]
fn a_slice_that_lists_pods_of_others_or_none_is_behind() {
    let mut index = promoting();
    let root = ObjectName::new("shop", "stable");
    assert_eq!(index.behind(&root), None);
    take(&mut index, slice("stable", &[("p80", 8080)], &[]));
    assert_eq!(index.behind(&root), Some(&root), "there is a pod to be listed");
    index.update(deleted("Pod", "pod-1"), &mut Facts::new());
    assert_eq!(index.behind(&root), None, "there is none");
    take(&mut index, listing("stable", 1));
    assert_eq!(index.behind(&root), Some(&root), "nobody knows that pod yet, or any more");
    index.update(deleted("EndpointSlice", "stable-1"), &mut Facts::new());
    assert_eq!(index.behind(&root), Some(&root), "Kubernetes hasn't looked at it yet");
}
