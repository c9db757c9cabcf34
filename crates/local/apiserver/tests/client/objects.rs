use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use crate::server::Server;
use crate::{admin, code};

fn config_map(value: serde_json::Value) -> ConfigMap {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn stale_and_doubled_writes_are_conflicts() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let first = config_map(json!({ "metadata": { "name": "a" }, "data": { "x": "1" } }));
    let made = api.create(&PostParams::default(), &first).await.unwrap();
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    assert_eq!(code(api.create(&PostParams::default(), &first).await), 409);
    let mut changed = made.clone();
    changed.data.as_mut().unwrap().insert("x".into(), "2".into());
    let second = api.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_ne!(second.metadata.resource_version, made.metadata.resource_version);
    assert_eq!(code(api.replace("a", &PostParams::default(), &changed).await), 409);
    let same = api.replace("a", &PostParams::default(), &second).await.unwrap();
    assert_eq!(same.metadata.resource_version, second.metadata.resource_version);
}

#[tokio::test]
async fn generated_names_are_new_each_time() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let object = config_map(json!({ "metadata": { "generateName": "run-" } }));
    let one = api.create(&PostParams::default(), &object).await.unwrap().metadata.name.unwrap();
    let two = api.create(&PostParams::default(), &object).await.unwrap().metadata.name.unwrap();
    assert!(one.starts_with("run-") && one.len() == 9 && one != two);
    assert_eq!(code(api.create(&PostParams::default(), &ConfigMap::default()).await), 422);
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let object = config_map(json!({ "metadata": { "name": "a" } }));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&dry, &object).await.unwrap();
    assert_eq!(api.get_opt("a").await.unwrap(), None);
    let made = api.create(&PostParams::default(), &object).await.unwrap();
    let patch = json!({ "data": { "x": "1" } });
    let seen = api.patch("a", &PatchParams::default().dry_run(), &Patch::Merge(patch)).await.unwrap();
    assert!(seen.data.is_some());
    assert_eq!(api.get("a").await.unwrap(), made);
}

#[tokio::test]
async fn server_side_apply_owns_fields_and_repeats_without_change() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let config = |data: serde_json::Value| {
        Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data }))
    };
    let ours = PatchParams::apply("ours");
    let first = api.patch("a", &ours, &config(json!({ "x": "1", "y": "1" }))).await.unwrap();
    let again = api.patch("a", &ours, &config(json!({ "x": "1", "y": "1" }))).await.unwrap();
    assert_eq!(first.metadata.resource_version, again.metadata.resource_version);
    let theirs = PatchParams::apply("theirs");
    assert_eq!(code(api.patch("a", &theirs, &config(json!({ "x": "2" }))).await), 409);
    api.patch("a", &theirs.clone().force(), &config(json!({ "x": "2" }))).await.unwrap();
    let last = api.patch("a", &ours, &config(json!({}))).await.unwrap().data.unwrap();
    assert_eq!(last.into_iter().collect::<Vec<_>>(), [("x".to_owned(), "2".to_owned())]);
    let managers = api.get("a").await.unwrap().metadata.managed_fields.unwrap();
    assert!(managers.iter().any(|entry| entry.manager.as_deref() == Some("theirs")));
}

#[tokio::test]
async fn leases_change_hands_by_their_resource_version() {
    let server = Server::start().await;
    let api: Api<Lease> = Api::default_namespaced(admin(&server).await);
    let held = |holder: &str| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "leader" },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-11-21T05:00:00.000001Z" },
        })
    };
    let params = PatchParams::apply("elector").force();
    let lease = api.patch("leader", &params, &Patch::Apply(held("one"))).await.unwrap();
    let mut mine = lease.clone();
    mine.spec.as_mut().unwrap().holder_identity = Some("two".into());
    let mut late = lease;
    late.spec.as_mut().unwrap().holder_identity = Some("three".into());
    api.replace("leader", &PostParams::default(), &mine).await.unwrap();
    assert_eq!(code(api.replace("leader", &PostParams::default(), &late).await), 409);
    let now = api.get("leader").await.unwrap().spec.unwrap();
    assert_eq!(now.holder_identity.as_deref(), Some("two"));
}

#[tokio::test]
async fn finalizers_are_added_by_a_lenient_json_patch_and_hold_until_removed() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    api.create(&PostParams::default(), &config_map(json!({ "metadata": { "name": "a" } }))).await.unwrap();
    // As kube-runtime's finalizer writes it.
    let add = json!([
        { "op": "test", "path": "/metadata/finalizers", "value": null },
        { "op": "add", "path": "/metadata/finalizers", "value": ["x.io/hold"] },
    ]);
    let patch = Patch::<()>::Json(serde_json::from_value(add).unwrap());
    api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    let deleted = api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(deleted.left().unwrap().metadata.deletion_timestamp.is_some());
    assert!(api.get("a").await.is_ok());
    let remove = json!([
        { "op": "test", "path": "/metadata/finalizers/0", "value": "x.io/hold" },
        { "op": "remove", "path": "/metadata/finalizers/0" },
    ]);
    let patch = Patch::<()>::Json(serde_json::from_value(remove).unwrap());
    api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(api.get_opt("a").await.unwrap(), None);
}

#[tokio::test]
async fn preconditions_guard_a_deletion() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let made = api.create(&PostParams::default(), &config_map(json!({ "metadata": { "name": "a" } }))).await.unwrap();
    let guarded = |uid: Option<String>, resource_version: Option<String>| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version }),
        ..DeleteParams::default()
    };
    assert_eq!(code(api.delete("a", &guarded(Some("other".into()), None)).await), 409);
    assert_eq!(code(api.delete("a", &guarded(None, Some("1".into()))).await), 409);
    api.delete("a", &guarded(made.metadata.uid, made.metadata.resource_version)).await.unwrap();
}

#[tokio::test]
async fn objects_and_their_revisions_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let dir = || tempfile::tempdir().unwrap();
    let server = Server::at(dir(), Some(data.path()), Default::default()).await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    let made = api.create(&PostParams::default(), &config_map(json!({ "metadata": { "name": "a" } }))).await.unwrap();
    drop(api);
    server.stop().await;
    let server = Server::at(dir(), Some(data.path()), Default::default()).await;
    let client = admin(&server).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
    assert_eq!(api.get("a").await.unwrap(), made);
    assert!(Api::<Namespace>::all(client).get("default").await.is_ok());
}

#[tokio::test]
async fn many_writers_of_one_object_all_get_through() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(admin(&server).await);
    api.create(&PostParams::default(), &config_map(json!({ "metadata": { "name": "a" } }))).await.unwrap();
    let write = |i: u32| {
        let api = api.clone();
        async move {
            let patch = Patch::Merge(json!({ "data": { format!("k{i}"): "v" } }));
            api.patch("a", &PatchParams::default(), &patch).await.unwrap();
        }
    };
    futures::future::join_all((0..20).map(write)).await;
    assert_eq!(api.get("a").await.unwrap().data.unwrap().len(), 20);
}
