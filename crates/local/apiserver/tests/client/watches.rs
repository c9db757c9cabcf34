use std::time::Duration;

use futures::{Stream, StreamExt};
use isthmus_local_apiserver::Limits;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use serde_json::json;

use crate::custom::{define, definition, thing, things};
use crate::server::Server;
use crate::{admin, code};

fn named(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
}

async fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> T {
    tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("nothing came").expect("the stream ended")
}

/// What a watcher is told, in short.
async fn told(stream: &mut (impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin)) -> String {
    let name = |object: ConfigMap| object.metadata.name.unwrap();
    match next(stream).await.unwrap() {
        Event::Init => "init".to_owned(),
        Event::InitDone => "done".to_owned(),
        Event::InitApply(object) => format!("init {}", name(object)),
        Event::Apply(object) => format!("apply {}", name(object)),
        Event::Delete(object) => format!("delete {}", name(object)),
    }
}

#[tokio::test]
async fn both_modes_of_the_watcher_see_everything_in_order() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::namespaced(admin(&server).await, "kube-public");
    api.create(&PostParams::default(), &named("a")).await.unwrap();
    api.create(&PostParams::default(), &named("b")).await.unwrap();
    let configs = [watcher::Config::default().page_size(1), watcher::Config::default().streaming_lists()];
    for (i, config) in configs.into_iter().enumerate() {
        let mut events = Box::pin(watcher::watcher(api.clone(), config));
        for wanted in ["init", "init a", "init b", "init kube-root-ca.crt", "done"] {
            assert_eq!(told(&mut events).await, wanted);
        }
        let new = format!("new{i}");
        api.create(&PostParams::default(), &named(&new)).await.unwrap();
        api.patch(&new, &PatchParams::default(), &Patch::Merge(json!({ "data": { "x": "1" } }))).await.unwrap();
        api.delete(&new, &DeleteParams::default()).await.unwrap();
        for verb in ["apply", "apply", "delete"] {
            assert_eq!(told(&mut events).await, format!("{verb} {new}"));
        }
    }
}

#[tokio::test]
async fn metadata_watchers_get_metadata_only() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let metadata: Api<PartialObjectMeta<ConfigMap>> = Api::default_namespaced(admin(&server).await);
    let mut events = Box::pin(watcher::watcher(metadata, watcher::Config::default()).applied_objects());
    let object: PartialObjectMeta<ConfigMap> = next(&mut events).await.unwrap();
    assert_eq!(object.metadata.name.as_deref(), Some("kube-root-ca.crt"));
    api.create(&PostParams::default(), &named("a")).await.unwrap();
    let object = next(&mut events).await.unwrap();
    assert_eq!(object.metadata.name.as_deref(), Some("a"));
    assert_eq!(object.types.unwrap().kind, "PartialObjectMetadata");
}

#[tokio::test]
async fn a_selector_turns_changes_into_comings_and_goings() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().labels("on=yes");
    let mut events = api.watch(&params, &start).await.unwrap().boxed();
    api.create(&PostParams::default(), &named("a")).await.unwrap();
    let label = async |value: &str| {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "on": value } } }));
        api.patch("a", &PatchParams::default(), &patch).await.unwrap()
    };
    label("yes").await;
    assert!(matches!(next(&mut events).await.unwrap(), WatchEvent::Added(_)));
    let last = label("no").await;
    let WatchEvent::Deleted(gone) = next(&mut events).await.unwrap() else { panic!("no deletion") };
    assert_eq!(gone.metadata.labels.unwrap()["on"], "yes");
    assert_eq!(gone.metadata.resource_version, last.metadata.resource_version);
}

#[tokio::test]
async fn a_compacted_revision_is_expired_and_the_watcher_recovers() {
    let mut limits = Limits::default();
    limits.store.log_events = 2;
    let server = Server::with(limits).await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let first = api.create(&PostParams::default(), &named("a")).await.unwrap().metadata.resource_version.unwrap();
    for i in 0..5 {
        let patch = Patch::Merge(json!({ "data": { "x": i.to_string() } }));
        api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    }
    let mut events = api.watch(&WatchParams::default(), &first).await.unwrap().boxed();
    let WatchEvent::Error(error) = next(&mut events).await.unwrap() else { panic!("no error") };
    assert_eq!((error.code, error.reason.as_str()), (410, "Expired"));
    let exact = ListParams::default().at(&first).matching(kube::api::VersionMatch::Exact);
    assert_eq!(code(api.list(&exact).await), 410);
    let future = ListParams::default().at("99999").matching(kube::api::VersionMatch::NotOlderThan);
    assert_eq!(code(api.list(&future).await), 504);
}

#[tokio::test]
async fn bookmarks_come_when_nothing_else_does_and_watches_end_in_time() {
    let limits = Limits { bookmark_interval: Duration::from_millis(50), ..Limits::default() };
    let server = Server::with(limits).await;
    let client = admin(&server).await;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-public");
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let other: Api<ConfigMap> = Api::default_namespaced(client);
    let made = other.create(&PostParams::default(), &named("a")).await.unwrap();
    let params = WatchParams::default().timeout(1);
    let mut events = api.watch(&params, &start).await.unwrap().boxed();
    let WatchEvent::Bookmark(mark) = next(&mut events).await.unwrap() else { panic!("no bookmark") };
    assert_eq!(Some(mark.metadata.resource_version), made.metadata.resource_version);
    let ended = tokio::time::timeout(Duration::from_secs(20), async { while events.next().await.is_some() {} }).await;
    assert!(ended.is_ok(), "the watch did not end");
}

#[tokio::test]
async fn a_shutdown_ends_watches_in_order() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let mut events = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert!(matches!(next(&mut events).await.unwrap(), WatchEvent::Added(_)));
    let stopping = tokio::time::timeout(Duration::from_secs(20), server.stop());
    let (stopped, rest) = tokio::join!(stopping, async { while events.next().await.is_some_and(|e| e.is_ok()) {} });
    assert!(stopped.is_ok(), "the server did not stop");
    rest
}

#[tokio::test]
async fn a_watch_ends_with_the_definition_of_its_kind() {
    let server = Server::start().await;
    let client = admin(&server).await;
    define(&client, definition(&["v1"])).await;
    let api = things(&client, "v1");
    api.create(&PostParams::default(), &thing("v1", "a", json!({}))).await.unwrap();
    let mut events = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert!(matches!(next(&mut events).await.unwrap(), WatchEvent::Added(_)));
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.delete("things.x.io", &DeleteParams::default()).await.unwrap();
    assert!(matches!(next(&mut events).await.unwrap(), WatchEvent::Deleted(_)));
    let end = tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("the watch stays open");
    assert!(end.is_none(), "{end:?}");
}
