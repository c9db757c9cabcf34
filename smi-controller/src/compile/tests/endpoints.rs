//! Which pods of a Service are called: ready ones, and in need those on their way out.

use serde_json::{Value, json};

use crate::testing::*;

const READY: (bool, bool, bool) = (true, true, false);
const LEAVING: (bool, bool, bool) = (false, true, true);
const GONE: (bool, bool, bool) = (false, false, true);
const STARTING: (bool, bool, bool) = (false, false, false);

/// The endpoints of `web` when its pods are in these conditions (ready, serving, terminating).
fn called(pods: &[(bool, bool, bool)]) -> Vec<String> {
    let addresses: Vec<_> = (0..pods.len()).map(|n| (format!("web-{n}"), format!("10.42.0.{n}"))).collect();
    let endpoints: Vec<_> = addresses.iter().map(|(pod, ip)| (pod.as_str(), ip.as_str())).collect();
    let mut slice = slice("web", &[("p8080", 8080)], &endpoints);
    for (n, (ready, serving, terminating)) in pods.iter().enumerate() {
        slice["endpoints"][n]["conditions"] = json!({"ready": ready, "serving": serving, "terminating": terminating});
    }
    let mut all: Vec<Value> = addresses.iter().map(|(name, ip)| pod(name, "web", ip)).collect();
    all.extend([service("web", "10.43.0.10", &[8080]), slice]);
    let ports = addresses_of(&all);
    ports.into_iter().map(|a| a.trim_end_matches(":8080").trim_start_matches("10.42.0.").to_owned()).collect()
}

fn addresses_of(objects: &[Value]) -> Vec<String> {
    addresses(&route(&index_of(objects.iter().cloned()), "web", 8080).root)
}

#[test]
fn a_pod_on_its_way_out_is_left_at_once() {
    assert_eq!(called(&[READY, LEAVING, READY]), ["0", "2"]);
    assert_eq!(called(&[STARTING, READY, GONE]), ["1"]);
}

#[test]
fn when_no_other_is_there_pods_on_their_way_out_are_called_as_long_as_they_serve() {
    assert_eq!(called(&[LEAVING, GONE, LEAVING, STARTING]), ["0", "2"]);
    assert_eq!(called(&[LEAVING, GONE, READY]), ["2"], "and no longer");
}

#[test]
fn when_all_are_gone_there_is_none() {
    assert_eq!(called(&[GONE, STARTING]), Vec::<String>::new());
    assert_eq!(called(&[]), Vec::<String>::new());
}
