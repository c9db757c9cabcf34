use crate::run::{CRD, Kubectl, SPLIT, finish};

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_at_once_in_the_background() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create configmap cm", &[]).await;
    assert_eq!(k.run("delete cm cm", &[]).await, "configmap \"cm\" deleted\n");
    assert!(k.fail("get cm cm", &[]).await.contains("configmaps \"cm\" not found"));
    assert_eq!(k.run("delete cm cm --ignore-not-found", &[]).await, "");
    k.run("create configmap a", &[]).await;
    k.run("label cm a x=1", &[]).await;
    k.run("create configmap b", &[]).await;
    k.run("delete cm -l x=1", &[]).await;
    assert_eq!(k.run("get cm -o name", &[]).await, "configmap/b\nconfigmap/kube-root-ca.crt\n");
    k.run("delete cm --all", &[]).await;
    assert_eq!(k.run("get cm -o name", &[]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_holds_an_object_back() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create configmap cm", &[]).await;
    k.run("patch cm cm -p", &[r#"{"metadata":{"finalizers":["x.io/hold"]}}"#]).await;
    let delete = k.command("delete cm cm --wait --timeout=30s", &[]).spawn().unwrap();
    let stamp = "jsonpath={.metadata.deletionTimestamp}";
    k.run("wait cm/cm --timeout=20s", &["--for=jsonpath={.metadata.deletionTimestamp}"]).await;
    assert!(!k.run("get cm cm -o", &[stamp]).await.is_empty());
    k.run("patch cm cm --type=merge -p", &[r#"{"metadata":{"finalizers":null}}"#]).await;
    let done = finish(delete).await;
    assert!(done.ok, "{}{}", done.out, done.err);
    assert!(k.fail("get cm cm", &[]).await.contains("not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreground_and_orphan_leave_their_finalizer_to_the_collector() {
    let Some(k) = Kubectl::start().await else { return };
    for (cascade, finalizer) in [("foreground", "foregroundDeletion"), ("orphan", "orphan")] {
        k.run("create configmap cm", &[]).await;
        k.run(&format!("delete cm cm --wait=false --cascade={cascade}"), &[]).await;
        assert_eq!(k.run("get cm cm -o", &["jsonpath={.metadata.finalizers[*]}"]).await, finalizer);
        k.run("patch cm cm --type=merge -p", &[r#"{"metadata":{"finalizers":null}}"#]).await;
        assert!(k.fail("get cm cm", &[]).await.contains("not found"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_takes_its_objects_along() {
    let Some(k) = Kubectl::start().await else { return };
    k.run_with_input("apply -f -", CRD).await;
    k.run_with_input("apply -f -", SPLIT).await;
    k.run("delete crd splits.x.io --timeout=20s", &[]).await;
    let err = k.fail("get splits.x.io", &[]).await;
    // It depends on whether kubectl believes its cache.
    let texts = ["doesn't have a resource type", "could not find the requested resource"];
    assert!(texts.iter().any(|text| err.contains(text)), "{err}");
    k.run_with_input("apply -f -", CRD).await;
    assert_eq!(k.run("get splits -o name", &[]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_waits_for_its_controller_and_takes_nothing_more() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create namespace shop", &[]).await;
    k.run("delete namespace shop --wait=false", &[]).await;
    assert_eq!(k.run("get ns shop -o", &["jsonpath={.status.phase}"]).await, "Terminating");
    let err = k.fail("create configmap cm -n shop", &[]).await;
    assert!(err.contains("because it is being terminated"), "{err}");
    let file = k.file("ns.json", r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"},"spec":{}}"#);
    k.run("replace --raw /api/v1/namespaces/shop/finalize -f", &[&file]).await;
    assert!(k.fail("get ns shop", &[]).await.contains("not found"));
    assert!(k.fail("delete ns default", &[]).await.contains("forbidden"));
}
