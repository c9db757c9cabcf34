use crate::run::{CRD, Kubectl, SPLIT};

#[tokio::test(flavor = "multi_thread")]
async fn typed_create_sends_what_the_server_understands() {
    let Some(k) = Kubectl::start().await else { return };
    for (line, wanted) in [
        ("create configmap cm --from-literal=a=1", "configmap/cm created"),
        ("create secret generic s --from-literal=a=1", "secret/s created"),
        ("create serviceaccount web", "serviceaccount/web created"),
        ("create namespace shop", "namespace/shop created"),
        ("create deployment web --image=isthmus/app --replicas=2 --port=80", "deployment.apps/web created"),
        ("create service clusterip web --tcp=80:8080", "service/web created"),
        ("create role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r created"),
        (
            "create rolebinding b --role=r --serviceaccount=default:web",
            "rolebinding.rbac.authorization.k8s.io/b created",
        ),
        ("create clusterrole r --verb=get --resource=nodes", "clusterrole.rbac.authorization.k8s.io/r created"),
        (
            "create clusterrolebinding b --clusterrole=r --user=u",
            "clusterrolebinding.rbac.authorization.k8s.io/b created",
        ),
    ] {
        assert_eq!(k.run(line, &[]).await.trim_end(), wanted);
    }
    assert_eq!(k.run("get secret s -o", &["jsonpath={.data.a}"]).await, "MQ==");
    assert_eq!(k.run("get svc web -o", &["jsonpath={.spec.ports[0].targetPort}"]).await, "8080");
    let spec = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}";
    assert_eq!(k.run("get deploy web -o", &[spec]).await, "2 isthmus/app");
    let err = k.fail("create configmap cm", &[]).await;
    assert!(err.contains("configmaps \"cm\" already exists"), "{err}");
    let err = k.fail("create configmap cm -n nowhere", &[]).await;
    assert!(err.contains("namespaces \"nowhere\" not found"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_of_three_types_change_what_they_say() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create deployment d --image=a", &[]).await;
    let add = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"b"}]}}}}"#;
    k.run("patch deploy d -p", &[add]).await;
    let images = "jsonpath={.spec.template.spec.containers[*].image}";
    let both = k.run("get deploy d -o", &[images]).await;
    assert!(both == "b a" || both == "a b", "{both}");
    k.run("patch deploy d --type=json -p", &[r#"[{"op":"replace","path":"/spec/replicas","value":7}]"#]).await;
    k.run("patch deploy d --type=merge -p", &[r#"{"metadata":{"labels":{"x":"y"}}}"#]).await;
    assert_eq!(k.run("get deploy d -o", &["jsonpath={.spec.replicas} {.metadata.labels.x}"]).await, "7 y");
    let out = k.run("patch deploy d --type=merge -p", &[r#"{"spec":{"replicas":7}}"#]).await;
    assert!(out.contains("(no change)"), "{out}");
    let err = k.fail("patch deploy d --type=json -p", &[r#"[{"op":"remove","path":"/spec/none"}]"#]).await;
    assert!(err.contains("error in our request"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_written_apart() {
    let Some(k) = Kubectl::start().await else { return };
    k.run_with_input("apply -f -", CRD).await;
    k.run_with_input("apply -f -", SPLIT).await;
    k.run("patch sp s1 --type=merge -p", &[r#"{"status":{"phase":"Ready"}}"#]).await;
    assert_eq!(k.run("get sp s1 -o", &["jsonpath={.status}"]).await, "");
    let both = r#"{"spec":{"service":"no"},"status":{"phase":"Ready"}}"#;
    k.run("patch sp s1 --subresource=status --type=merge -p", &[both]).await;
    let shown = "jsonpath={.spec.service} {.status.phase} {.metadata.generation}";
    assert_eq!(k.run("get sp s1 -o", &[shown]).await, "web Ready 1");
    k.run("patch sp s1 --type=merge -p", &[both]).await;
    assert_eq!(k.run("get sp s1 -o", &[shown]).await, "no Ready 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_annotations_are_set_and_removed() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create configmap cm", &[]).await;
    k.run("label cm cm a=1", &[]).await;
    k.run("annotate cm cm note=x", &[]).await;
    let shown = "jsonpath={.metadata.labels.a}{.metadata.annotations.note}";
    assert_eq!(k.run("get cm cm -o", &[shown]).await, "1x");
    assert!(k.fail("label cm cm a=2", &[]).await.contains("overwrite"));
    k.run("label cm cm a=2 --overwrite", &[]).await;
    k.run("label cm cm a-", &[]).await;
    assert_eq!(k.run("get cm cm -o", &[shown]).await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_writes_what_the_editor_leaves() {
    let Some(k) = Kubectl::start().await else { return };
    k.run_with_input("apply -f -", CRD).await;
    k.run_with_input("apply -f -", SPLIT).await;
    k.run("create configmap cm --from-literal=a=before", &[]).await;
    let edit = async |line: &str, script: &str| {
        let mut command = k.command(line, &[]);
        command.env("KUBE_EDITOR", format!("sed -i {script}"));
        crate::run::finish(command.spawn().unwrap()).await
    };
    let done = edit("edit cm cm", "s/before/after/").await;
    assert!(done.ok && done.out.contains("configmap/cm edited"), "{}{}", done.out, done.err);
    let done = edit("edit sp s1", "s/web/edited/").await;
    assert!(done.ok, "{}{}", done.out, done.err);
    assert_eq!(k.run("get cm cm -o", &["jsonpath={.data.a}"]).await, "after");
    assert_eq!(k.run("get sp s1 -o", &["jsonpath={.spec.service}"]).await, "edited");
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_puts_the_whole_object() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create configmap cm --from-literal=a=1", &[]).await;
    let file = k.file("cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {b: '2'}\n");
    k.run("replace -f", &[&file]).await;
    assert_eq!(k.run("get cm cm -o", &["jsonpath={.data}"]).await, r#"{"b":"2"}"#);
    let text = std::fs::read_to_string(&file).unwrap();
    let file = k.file("stale.yaml", &text.replace("name: cm", "name: cm, resourceVersion: '1'"));
    assert!(k.fail("replace -f", &[&file]).await.contains("the object has been modified"));
    let file = k.file("gone.yaml", &text.replace("name: cm", "name: gone"));
    assert!(k.fail("replace -f", &[&file]).await.contains("not found"));
    let file = k.file("cm.yaml", &text);
    assert!(k.run("replace --force -f", &[&file]).await.contains("replaced"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_and_rollout_restart_change_the_deployment() {
    let Some(k) = Kubectl::start().await else { return };
    k.run("create deployment d --image=a", &[]).await;
    k.run("scale deployment d --replicas=3", &[]).await;
    assert_eq!(k.run("get deploy d -o", &["jsonpath={.spec.replicas}"]).await, "3");
    assert!(k.fail("scale deployment d --current-replicas=9 --replicas=1", &[]).await.contains("3"));
    k.run("rollout restart deployment d", &[]).await;
    let at = "jsonpath={.spec.template.metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt}";
    assert!(k.run("get deploy d -o", &[at]).await.starts_with("20"));
    let status = r#"{"status":{"observedGeneration":3,"replicas":3,"updatedReplicas":3,"readyReplicas":3,"availableReplicas":3}}"#;
    k.run("patch deploy d --subresource=status --type=merge -p", &[status]).await;
    assert!(k.run("rollout status deployment d --timeout=20s", &[]).await.contains("successfully rolled out"));
    k.run_with_input("apply -f -", CRD).await;
    k.run_with_input("apply -f -", SPLIT).await;
    k.run("scale splits.x.io/s1 --replicas=4", &[]).await;
    assert_eq!(k.run("get sp s1 -o", &["jsonpath={.spec.replicas}"]).await, "4");
}
