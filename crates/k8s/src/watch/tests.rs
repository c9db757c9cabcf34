use futures::stream;
use kube::core::{DeserializeGuard, Status};
use serde_json::json;

use super::*;
use crate::split::TrafficSplit;

fn split(name: &str, spec: serde_json::Value) -> DeserializeGuard<TrafficSplit> {
    serde_json::from_value(json!({
        "apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit",
        "metadata": {"namespace": "shop", "name": name, "uid": "u1", "generation": 3}, "spec": spec
    }))
    .unwrap()
}

fn good(name: &str) -> DeserializeGuard<TrafficSplit> {
    split(name, json!({"service": "web", "backends": []}))
}

async fn told(
    state: &mut Following,
    events: Vec<Result<watcher::Event<DeserializeGuard<TrafficSplit>>, watcher::Error>>,
) -> Vec<String> {
    let (send, mut receive) = mpsc::channel(100);
    let text = |change: Change<TrafficSplit>| match change {
        Change::Applied(split) => format!("+{}", split.name_any()),
        Change::Deleted(name) => format!("-{}", name.name),
        Change::Malformed(bad) => format!("?{}@{}", bad.name.name, bad.generation),
        Change::Synced => "synced".to_owned(),
    };
    pump(stream::iter(events), &send, &text, state).await;
    drop(send);
    let mut all = Vec::new();
    while let Some(change) = receive.recv().await {
        all.push(change);
    }
    all
}

#[tokio::test]
async fn a_malformed_object_is_told_and_the_watch_goes_on() {
    let bad = split("bad", json!({"service": 7}));
    let events = vec![
        Ok(watcher::Event::Init),
        Ok(watcher::Event::InitApply(good("a"))),
        Ok(watcher::Event::InitApply(bad)),
        Ok(watcher::Event::InitApply(good("b"))),
        Ok(watcher::Event::InitDone),
    ];
    assert_eq!(told(&mut Following::default(), events).await, ["+a", "?bad@3", "+b", "synced"]);
}

#[tokio::test]
async fn a_list_taken_anew_tells_what_has_gone_in_between() {
    let mut state = Following::default();
    let list = |names: &[&str]| {
        let mut events = vec![Ok(watcher::Event::Init)];
        events.extend(names.iter().map(|n| Ok(watcher::Event::InitApply(good(n)))));
        events.push(Ok(watcher::Event::InitDone));
        events
    };
    assert_eq!(told(&mut state, list(&["a", "b"])).await, ["+a", "+b", "synced"]);
    assert_eq!(told(&mut state, list(&["b"])).await, ["+b", "-a"]);
    assert_eq!(told(&mut state, vec![Ok(watcher::Event::Delete(good("b")))]).await, ["-b"]);
}

#[tokio::test]
async fn a_kind_that_is_not_installed_counts_as_empty_and_is_waited_for() {
    let status = Status { code: 404, reason: "NotFound".into(), ..Status::default() };
    let absent = watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)));
    let mut state = Following::default();
    assert_eq!(told(&mut state, vec![Err(absent)]).await, ["synced"]);
    let later = vec![Ok(watcher::Event::Init), Ok(watcher::Event::InitApply(good("a"))), Ok(watcher::Event::InitDone)];
    assert_eq!(told(&mut state, later).await, ["+a"]);
}
