//! Against servers that answer in memory, as those of several meshes do.

use std::{collections::BTreeMap, convert::Infallible};

use http::Response;
use serde_json::json;

use super::*;
use crate::views::kinds::RESOURCES;

/// Answers by path.
fn api(answers: impl IntoIterator<Item = (&'static str, u16, String)>) -> MetricsApi {
    let answers: BTreeMap<_, _> = answers.into_iter().map(|(path, code, text)| (path, (code, text))).collect();
    let service = tower::service_fn(move |request: Request<Body>| {
        let path = request.uri().path().strip_prefix(path::ROOT).unwrap_or("?").to_owned();
        let (code, text) = answers.get(path.as_str()).cloned().unwrap_or((404, "404 page not found\n".into()));
        async move {
            let mut response = Response::new(Body::from(text.into_bytes()));
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            Ok::<_, Infallible>(response)
        }
    });
    MetricsApi::new(Client::new(service, "shop"), Query { window: "30s".into(), ..Query::default() })
}

fn deployments() -> &'static Resource {
    RESOURCES.iter().find(|r| r.plural == "deployments").unwrap()
}

fn shop() -> Scope {
    Scope::Namespace("shop".into())
}

fn discovery() -> (&'static str, u16, String) {
    let named = |name| json!({ "name": name });
    ("", 200, json!({ "resources": [named("deployments"), named("deployments/edges"), named("pods")] }).to_string())
}

async fn fault(answers: impl IntoIterator<Item = (&'static str, u16, String)>) -> Fault {
    api(answers).get(deployments(), &shop(), "web").await.unwrap_err()
}

const WEB: &str = "/namespaces/shop/deployments/web";

#[tokio::test]
async fn lists_and_edges_are_read_even_if_null() {
    let item = json!({ "resource": {"kind": "Deployment", "namespace": "shop", "name": "web"} });
    let api = api([
        ("/namespaces/shop/deployments", 200, json!({ "items": [item] }).to_string()),
        ("/namespaces/shop/deployments/web/edges", 200, json!({ "items": null }).to_string()),
        (WEB, 200, item.to_string()),
    ]);
    let list = api.list(deployments(), &shop()).await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(api.get(deployments(), &shop(), "web").await.unwrap(), list);
    assert_eq!(api.edges(deployments(), &shop(), "web").await.unwrap(), []);
}

#[tokio::test]
async fn where_the_api_isnt_served_that_is_said() {
    let none = fault([]).await;
    assert!(none.to_string().starts_with("the metrics API isn't installed"), "{none}");
    // Without rights, RBAC's word comes before that of the path.
    let forbidden = json!({"kind": "Status", "message": "forbidden: no", "code": 403}).to_string();
    assert!(matches!(fault([(WEB, 403, forbidden)]).await, Fault::NotServed));
    assert_eq!(none.exit_code(), 69);
}

#[tokio::test]
async fn a_server_that_is_down_is_told_from_none() {
    let down = || json!({"kind": "Status", "message": "service unavailable", "code": 503}).to_string();
    let fault = fault([("", 503, down()), (WEB, 503, down())]).await;
    assert!(matches!(&fault, Fault::Unavailable(why) if why == "service unavailable"), "{fault}");
}

#[tokio::test]
async fn who_may_not_is_told_what_to_ask_for() {
    let fault = fault([discovery(), (WEB, 403, json!({"message": "no\u{1b}[31m"}).to_string())]).await;
    let text = fault.to_string();
    assert!(text.contains("resources: [deployments, deployments/edges]"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(fault.exit_code(), 77);
}

#[tokio::test]
async fn an_object_that_isnt_there_is_told_from_a_resource_that_isnt() {
    let gone = fault([discovery(), (WEB, 404, "{}".into())]).await;
    assert!(gone.is_gone(), "{gone}");
    let other = api([discovery()]);
    let jobs = RESOURCES.iter().find(|r| r.plural == "jobs").unwrap();
    let fault = other.list(jobs, &shop()).await.unwrap_err().to_string();
    assert_eq!(fault, "this mesh tells nothing of jobs; it tells of deployments, pods");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let refused = fault([(WEB, 400, json!({"message": "t must be from 10s to 1h"}).to_string())]).await;
    assert_eq!(refused.to_string(), "the metrics API refused: t must be from 10s to 1h");
    // smi-metrics has no Status.
    let failed = fault([(WEB, 500, json!({"error": "unable to lookup metrics"}).to_string())]).await;
    assert_eq!(failed.to_string(), "the metrics API failed (500): unable to lookup metrics");
    assert!(matches!(fault([(WEB, 200, "<html>".into())]).await, Fault::Unreadable(_)));
}
