use crate::run::{CRD, Kubectl, SPLIT};

const CONFIG: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {a: '1'}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_created_then_unchanged_then_updated() {
    let Some(k) = Kubectl::start().await else { return };
    k.file("yaml/1.yaml", &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---{CRD}"));
    k.file(
        "yaml/2.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec:\n  ports: [{port: 80}]\n",
    );
    let folder = k.dir().join("yaml");
    let folder = folder.to_str().unwrap();
    let out = k.run("apply -f", &[folder]).await;
    assert!(out.contains("namespace/shop created") && out.contains("service/web created"), "{out}");
    let out = k.run("apply -f", &[folder]).await;
    assert_eq!(out.matches("unchanged").count(), 3, "{out}");
    k.file(
        "yaml/2.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec:\n  ports: [{port: 81}]\n",
    );
    let out = k.run("apply -f", &[folder]).await;
    assert!(out.contains("service/web configured"), "{out}");
    assert_eq!(k.run("get svc web -n shop -o", &["jsonpath={.spec.ports[*].port}"]).await, "81");
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_objects_come_from_standard_input_and_get_their_defaults() {
    let Some(k) = Kubectl::start().await else { return };
    k.run_with_input("apply -f -", CRD).await;
    assert_eq!(k.run_with_input("apply -f -", SPLIT).await, "split.x.io/s1 created\n");
    assert_eq!(k.run("get split s1 -o", &["jsonpath={.spec.weight} {.metadata.generation}"]).await, "5 1");
    let changed = SPLIT.replace("service: web", "service: other");
    assert_eq!(k.run_with_input("apply -f -", &changed).await, "split.x.io/s1 configured\n");
    assert_eq!(k.run("get split s1 -o", &["jsonpath={.spec.service} {.metadata.generation}"]).await, "other 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_objects_are_refused_with_the_field() {
    let Some(k) = Kubectl::start().await else { return };
    k.run_with_input("apply -f -", CRD).await;
    let file = k.file("bad.yaml", &SPLIT.replace("service: web", "service: 5"));
    let err = k.fail("apply -f", &[&file]).await;
    assert!(err.contains("spec.service"), "{err}");
    let file = k.file("unknown.yaml", &SPLIT.replace("service: web", "service: web, colour: red"));
    let err = k.fail("apply -f", &[&file]).await;
    assert!(err.contains("unknown field \"spec.colour\""), "{err}");
    let file = k.file("low.yaml", &SPLIT.replace("service: web", "service: web, weight: -1"));
    let err = k.fail("create -f", &[&file]).await;
    assert!(err.contains("spec.weight: Invalid value: -1"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_side_apply_conflicts_until_forced() {
    let Some(k) = Kubectl::start().await else { return };
    let ours = k.file("cm.yaml", CONFIG);
    let theirs = k.file("other.yaml", &CONFIG.replace("'1'", "'2'"));
    assert!(k.run("apply --server-side -f", &[&ours]).await.contains("serverside-applied"));
    let err = k.fail("apply --server-side --field-manager=other -f", &[&theirs]).await;
    assert!(err.contains("conflict with \"kubectl\": .data.a"), "{err}");
    k.run("apply --server-side --field-manager=other --force-conflicts -f", &[&theirs]).await;
    assert_eq!(k.run("get cm cm -o", &["jsonpath={.data.a}"]).await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_side_apply_turns_into_server_side_apply() {
    let Some(k) = Kubectl::start().await else { return };
    let file = k.file("cm.yaml", CONFIG);
    k.run("apply -f", &[&file]).await;
    k.run("apply --server-side -f", &[&file]).await;
    let file = k.file("cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {b: '2'}\n");
    k.run("apply --server-side -f", &[&file]).await;
    assert_eq!(k.run("get cm cm -o", &["jsonpath={.data}"]).await, r#"{"b":"2"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_shows_what_would_change_and_changes_nothing() {
    let Some(k) = Kubectl::start().await else { return };
    let file = k.file("cm.yaml", CONFIG);
    k.run("apply -f", &[&file]).await;
    assert!(k.try_run("diff -f", &[&file]).await.ok);
    let file = k.file("cm.yaml", &CONFIG.replace("'1'", "'2'"));
    for mode in ["diff -f", "diff --server-side --force-conflicts -f"] {
        let done = k.try_run(mode, &[&file]).await;
        assert!(!done.ok && done.out.contains("+  a: \"2\""), "{mode}: {}{}", done.out, done.err);
    }
    assert_eq!(k.run("get cm cm -o", &["jsonpath={.data.a}"]).await, "1");
}

/// What `kubectl get a b -o yaml` writes. kubectl asks for an OpenAPI v2 document then.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_applied_item_by_item_and_the_server_judges_each() {
    let Some(k) = Kubectl::start().await else { return };
    k.run_with_input("apply -f -", CRD).await;
    let list = |objects: [&str; 2]| {
        let items = objects.map(|object| format!("- {}\n", object.trim().replace('\n', "\n  ")));
        format!("apiVersion: v1\nkind: List\nitems:\n{}", items.concat())
    };
    let file = k.file("list.yaml", &list([CONFIG, SPLIT]));
    assert_eq!(k.run("apply -f", &[&file]).await, "configmap/cm created\nsplit.x.io/s1 created\n");
    assert_eq!(k.run("apply -f", &[&file]).await, "configmap/cm unchanged\nsplit.x.io/s1 unchanged\n");
    let written = k.run("get cm/cm split/s1 -o", &["yaml"]).await;
    assert!(written.contains("kind: List"), "{written}");
    k.run_with_input("apply -f -", &written).await;
    let file = k.file("bad.yaml", &list([CONFIG, &SPLIT.replace("service: web", "service: web, colour: red")]));
    let err = k.fail("apply -f", &[&file]).await;
    assert!(err.contains("unknown field \"spec.colour\""), "{err}");
}
