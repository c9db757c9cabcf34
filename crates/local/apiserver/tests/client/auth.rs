use k8s_openapi::api::authentication::v1::{TokenRequest, TokenReview};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;

use crate::server::Server;
use crate::{admin, code};

async fn token(client: &Client, spec: serde_json::Value) -> Result<String, kube::Error> {
    let api: Api<ServiceAccount> = Api::default_namespaced(client.clone());
    let request: TokenRequest = serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap();
    let made = api.create_token_request("default", &PostParams::default(), &request).await?;
    Ok(made.status.unwrap().token)
}

async fn review(client: &Client, token: &str, audience: &str) -> serde_json::Value {
    let api: Api<TokenReview> = Api::all(client.clone());
    let spec = json!({ "metadata": {}, "spec": { "token": token, "audiences": [audience] } });
    let review: TokenReview = serde_json::from_value(spec).unwrap();
    let review = api.create(&PostParams::default(), &review).await.unwrap();
    serde_json::to_value(review.status.unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_review_names_the_account_for_its_audience_only() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let token = token(&client, json!({ "audiences": ["mesh"] })).await.unwrap();
    let good = review(&client, &token, "mesh").await;
    assert_eq!(good["authenticated"], true);
    assert_eq!(good["user"]["username"], "system:serviceaccount:default:default");
    assert_eq!(good["audiences"], json!(["mesh"]));
    let other = review(&client, &token, "other").await;
    assert_ne!(other["authenticated"], true);
    assert!(other["error"].as_str().unwrap().contains("audiences"));
    assert_ne!(review(&client, "junk", "mesh").await["authenticated"], true);
    // A new account of the same name is another account.
    let api: Api<ServiceAccount> = Api::default_namespaced(client.clone());
    let account = api.get("default").await.unwrap();
    api.delete("default", &DeleteParams::default()).await.unwrap();
    let fresh = serde_json::from_value(json!({ "metadata": { "name": account.metadata.name } })).unwrap();
    api.create(&PostParams::default(), &fresh).await.unwrap();
    assert_ne!(review(&client, &token, "mesh").await["authenticated"], true);
}

#[tokio::test]
async fn a_bound_token_dies_with_its_pod() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "x" }] },
    }))
    .unwrap();
    let pod = pods.create(&PostParams::default(), &pod).await.unwrap();
    let bound = json!({ "kind": "Pod", "name": "p", "uid": pod.metadata.uid });
    let signed = token(&client, json!({ "audiences": ["mesh"], "boundObjectRef": bound })).await.unwrap();
    let good = review(&client, &signed, "mesh").await;
    assert_eq!(good["user"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
    let stranger = json!({ "kind": "Pod", "name": "p", "uid": "other" });
    assert_eq!(code(token(&client, json!({ "audiences": ["mesh"], "boundObjectRef": stranger })).await), 409);
    pods.delete("p", &DeleteParams::default()).await.unwrap();
    assert_ne!(review(&client, &signed, "mesh").await["authenticated"], true);
}

#[tokio::test]
async fn subject_access_reviews_answer_by_the_stored_roles() {
    let server = Server::start().await;
    let api: Api<SubjectAccessReview> = Api::all(admin(&server).await);
    let ask = async |user: &str, group: &str| {
        let attributes = json!({ "verb": "delete", "resource": "nodes" });
        let spec = json!({ "user": user, "groups": [group], "resourceAttributes": attributes });
        let review = serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap();
        api.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    };
    assert!(ask("a", "system:masters").await);
    assert!(!ask("a", "others").await);
}
