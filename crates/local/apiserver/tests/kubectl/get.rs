use tokio::io::{AsyncBufReadExt, BufReader};

use crate::run::{CRD, Kubectl, SPLIT};

async fn with_split() -> Option<Kubectl> {
    let k = Kubectl::start().await?;
    k.run_with_input("apply -f -", CRD).await;
    k.run_with_input("apply -f -", SPLIT).await;
    Some(k)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_the_columns_of_the_definition() {
    let Some(k) = with_split().await else { return };
    let out = k.run("get splits", &[]).await;
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(words(lines[0]), ["NAME", "SERVICE"]);
    assert_eq!(words(lines[1]), ["s1", "web"]);
    let out = k.run("get sp -o wide", &[]).await;
    assert_eq!(words(out.lines().nth(1).unwrap()), ["s1", "web", "5"]);
    let out = k.run("get mesh -A", &[]).await;
    assert_eq!(words(out.lines().nth(1).unwrap()), ["default", "s1", "web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_output_format_works() {
    let Some(k) = with_split().await else { return };
    assert!(k.run("get sp s1 -o yaml", &[]).await.contains("service: web"));
    assert!(k.run("get sp s1 -o json", &[]).await.contains("\"service\": \"web\""));
    assert_eq!(k.run("get sp -o name", &[]).await, "split.x.io/s1\n");
    assert_eq!(k.run("get sp -o", &["jsonpath={.items[*].spec.service}"]).await, "web");
    assert!(k.run("get sp -o", &["custom-columns=N:.metadata.name"]).await.contains("s1"));
    let out = k.run("get svc -A", &[]).await;
    assert!(out.contains("10.43.0.1"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn selectors_choose() {
    let Some(k) = with_split().await else { return };
    assert_eq!(k.run("get sp -l app=web -o name", &[]).await, "split.x.io/s1\n");
    assert_eq!(k.run("get sp -o name -l", &["app in (a,b)"]).await, "");
    assert_eq!(k.run("get ns -o name --field-selector metadata.name=default", &[]).await, "namespace/default\n");
    let out = k.run("get ns -o name --field-selector metadata.name!=default", &[]).await;
    assert!(!out.contains("default") && out.contains("kube-system"), "{out}");
    let err = k.fail("get cm --field-selector spec.x=1", &[]).await;
    assert!(err.contains("field label not supported"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_come_in_pages() {
    let Some(k) = Kubectl::start().await else { return };
    let one = |i: usize| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: page-{i:02}}}\n");
    k.run_with_input("create -f -", &(0..12).map(one).collect::<String>()).await;
    let out = k.run("get cm --chunk-size=5 -o name", &[]).await;
    assert_eq!(out.lines().filter(|line| line.contains("page-")).count(), 12);
    let page = k.run("get --raw /api/v1/namespaces/default/configmaps?limit=5", &[]).await;
    assert!(page.contains("\"remainingItemCount\":8"), "{page}");
    let err = k.fail("get --raw /api/v1/namespaces/default/configmaps?limit=5&continue=nonsense", &[]).await;
    assert!(err.contains("continue key is not valid"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_prints_changes_as_they_come() {
    let Some(k) = with_split().await else { return };
    let mut child = k.command("get sp -w", &[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = tokio::time::timeout(std::time::Duration::from_secs(20), lines.next_line()).await;
        line.expect("no line came").unwrap().expect("the watch ended")
    };
    assert_eq!(words(&next().await), ["NAME", "SERVICE"]);
    assert_eq!(words(&next().await), ["s1", "web"]);
    k.run("patch sp s1 --type=merge -p", &[r#"{"spec":{"service":"two"}}"#]).await;
    assert_eq!(words(&next().await), ["s1", "two"]);
    k.run("delete sp s1", &[]).await;
    assert_eq!(words(&next().await), ["s1", "two"]);
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn describe_shows_objects_and_their_events() {
    let Some(k) = with_split().await else { return };
    let uid = k.run("get sp s1 -o", &["jsonpath={.metadata.uid}"]).await;
    let event = format!(
        "apiVersion: events.k8s.io/v1\nkind: Event\nmetadata: {{name: e1, namespace: default}}\nreason: BackendNotFound\nnote: no such backend\ntype: Warning\nreportingController: test\nreportingInstance: test-1\naction: Compile\neventTime: 2026-11-21T05:00:00.000000Z\nregarding: {{apiVersion: x.io/v1, kind: Split, name: s1, namespace: default, uid: {uid}}}\n"
    );
    k.run_with_input("create -f -", &event).await;
    let out = k.run("describe sp s1", &[]).await;
    assert!(
        out.contains("Service:  web") && out.contains("BackendNotFound") && out.contains("no such backend"),
        "{out}"
    );
    let out = k.run("get events", &[]).await;
    assert!(out.contains("BackendNotFound") && out.contains("split/s1"), "{out}");
    for kind in
        ["ns default", "svc kubernetes", "sa default", "cm kube-root-ca.crt", "crd splits.x.io", "clusterrole view"]
    {
        assert!(k.run(&format!("describe {kind}"), &[]).await.starts_with("Name:"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_knows_built_in_and_custom_kinds() {
    let Some(k) = with_split().await else { return };
    let out = k.run("explain split.spec", &[]).await;
    assert!(out.contains("What is asked for") && out.contains("service\t<string> -required-"), "{out}");
    let out = k.run("explain deployment.spec.template.spec.containers", &[]).await;
    assert!(out.contains("imagePullPolicy"), "{out}");
    assert!(k.run("explain pods", &[]).await.contains("KIND:       Pod"));
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_and_versions_are_told() {
    let Some(k) = with_split().await else { return };
    let out = k.run("api-resources", &[]).await;
    let line = out.lines().find(|line| line.starts_with("splits")).unwrap();
    assert_eq!(words(line), ["splits", "sp", "x.io/v1", "true", "Split"]);
    let out = k.run("api-versions", &[]).await;
    assert!(out.lines().any(|line| line == "x.io/v1") && out.lines().any(|line| line == "v1"), "{out}");
    assert!(k.run("version", &[]).await.contains("Server Version: v1.32"));
    assert_eq!(k.run("get --raw /readyz", &[]).await, "ok");
    assert!(k.run("get --raw /metrics", &[]).await.contains("apiserver_storage_objects"));
    assert!(k.run("get --raw /openapi/v3", &[]).await.contains("apis/x.io/v1"));
}
