use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{admin, code};

fn pod(name: &str) -> Pod {
    let spec = json!({ "containers": [{ "name": "c", "image": "x" }] });
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
}

fn node() -> Node {
    serde_json::from_value(json!({ "metadata": { "name": "n" } })).unwrap()
}

#[tokio::test]
async fn a_pod_gets_an_account_a_token_and_a_node() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let nodes: Api<Node> = Api::all(client.clone());
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let early = pods.create(&PostParams::default(), &pod("early")).await.unwrap();
    assert_eq!(early.spec.unwrap().node_name, None);
    nodes.create(&PostParams::default(), &node()).await.unwrap();
    assert_eq!(pods.get("early").await.unwrap().spec.unwrap().node_name.as_deref(), Some("n"));
    let late = pods.create(&PostParams::default(), &pod("late")).await.unwrap();
    let status = late.status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    let spec = serde_json::to_value(late.spec.unwrap()).unwrap();
    assert_eq!(spec["nodeName"], "n");
    assert_eq!(spec["serviceAccountName"], "default");
    let sources = &spec["volumes"][0]["projected"]["sources"];
    assert_eq!(sources[0]["serviceAccountToken"]["expirationSeconds"], 3607);
    assert_eq!(sources[1]["configMap"]["name"], "kube-root-ca.crt");
    let mount = &spec["containers"][0]["volumeMounts"][0];
    assert_eq!(mount["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    assert_eq!(mount["name"], spec["volumes"][0]["name"]);
}

#[tokio::test]
async fn automounting_can_be_switched_off_and_accounts_must_exist() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let mut without = pod("without");
    without.spec.as_mut().unwrap().automount_service_account_token = Some(false);
    let made = pods.create(&PostParams::default(), &without).await.unwrap();
    assert_eq!(made.spec.unwrap().volumes.unwrap_or_default(), []);
    let mut stranger = pod("stranger");
    stranger.spec.as_mut().unwrap().service_account_name = Some("nobody".into());
    assert_eq!(code(pods.create(&PostParams::default(), &stranger).await), 403);
    let accounts: Api<ServiceAccount> = Api::default_namespaced(client);
    let off = json!({ "metadata": { "name": "nobody" }, "automountServiceAccountToken": false });
    accounts.create(&PostParams::default(), &serde_json::from_value(off).unwrap()).await.unwrap();
    let made = pods.create(&PostParams::default(), &stranger).await.unwrap();
    assert_eq!(made.spec.unwrap().volumes.unwrap_or_default(), []);
}

#[tokio::test]
async fn a_scheduled_pod_stays_until_its_node_lets_it_go() {
    let server = Server::start().await;
    let client = admin(&server).await;
    Api::<Node>::all(client.clone()).create(&PostParams::default(), &node()).await.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client);
    pods.create(&PostParams::default(), &pod("p")).await.unwrap();
    let waiting = pods.delete("p", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(waiting.metadata.deletion_grace_period_seconds, Some(30));
    let shorter = DeleteParams { grace_period_seconds: Some(5), ..DeleteParams::default() };
    let waiting = pods.delete("p", &shorter).await.unwrap().left().unwrap();
    assert_eq!(waiting.metadata.deletion_grace_period_seconds, Some(5));
    let status = Patch::Merge(json!({ "status": { "phase": "Running" } }));
    pods.patch_status("p", &PatchParams::default(), &status).await.unwrap();
    assert!(pods.get("p").await.is_ok());
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    pods.delete("p", &now).await.unwrap();
    assert_eq!(pods.get_opt("p").await.unwrap(), None);
}

#[tokio::test]
async fn a_pods_containers_are_fixed_but_for_their_images() {
    let server = Server::start().await;
    let pods: Api<Pod> = Api::default_namespaced(admin(&server).await);
    pods.create(&PostParams::default(), &pod("p")).await.unwrap();
    let patch = async |container: Value| {
        let patch = Patch::Strategic(json!({ "spec": { "containers": [container] } }));
        pods.patch("p", &PatchParams::default(), &patch).await
    };
    patch(json!({ "name": "c", "image": "y" })).await.unwrap();
    assert_eq!(code(patch(json!({ "name": "c", "command": ["z"] })).await), 422);
    assert_eq!(code(pods.logs("p", &Default::default()).await), 400);
}
