use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::admin;
use crate::server::Server;

#[tokio::test]
async fn finalizers_that_were_taken_away_stay_away() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let api: Api<Namespace> = Api::all(client.clone());
    let made: Namespace = serde_json::from_value(json!({ "metadata": { "name": "n" } })).unwrap();
    let made = api.create(&PostParams::default(), &made).await.unwrap();
    assert_eq!(made.spec.unwrap().finalizers.unwrap(), ["kubernetes"]);
    assert_eq!(made.status.unwrap().phase.unwrap(), "Active");
    let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" }, "spec": {} });
    let request = http::Request::put("/api/v1/namespaces/n/finalize").header("content-type", "application/json");
    let done: Value = client.request(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap();
    assert_eq!(done["spec"].get("finalizers"), None);
    let label = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "labels": { "a": "b" } } });
    for (params, patch) in
        [(PatchParams::default(), Patch::Merge(&label)), (PatchParams::apply("x").force(), Patch::Apply(&label))]
    {
        let changed = api.patch("n", &params, &patch).await.unwrap();
        assert_eq!(changed.metadata.labels.unwrap()["a"], "b");
        assert_eq!(changed.spec.and_then(|spec| spec.finalizers), None);
    }
}
