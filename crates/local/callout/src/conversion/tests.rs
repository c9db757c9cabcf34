use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::Limits;
use crate::testing::{Authority, HOST, Handler, Server, callout, client_config, fixed, json_handler, soon};

fn crd(authority: &Authority) -> Value {
    json!({"metadata": {"name": "widgets.example.com"}, "spec": {"conversion": {"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": client_config(authority),
    }}}})
}

fn widget(version: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("example.com/{version}"), "kind": "Widget",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "resourceVersion": "7", "labels": {"a": "b"}},
        "spec": {"size": 1},
    })
}

/// Converts as asked, then lets `change` spoil the answer.
fn converter(change: impl Fn(&mut Value) + Send + Sync + 'static) -> (Handler, Arc<std::sync::Mutex<Vec<Value>>>) {
    json_handler(move |review| {
        let request = &review["request"];
        let mut objects = request["objects"].clone();
        for object in objects.as_array_mut().unwrap() {
            object["apiVersion"] = request["desiredAPIVersion"].clone();
            object["spec"] = json!({"sizes": [object["spec"]["size"]]});
        }
        let mut answer = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects},
        });
        change(&mut answer);
        answer
    })
}

async fn convert(handler: Handler, objects: Vec<Value>) -> Result<Vec<Value>, ApiError> {
    let authority = Authority::new();
    let server = Server::start(&authority.leaf(HOST), None, handler).await;
    let client = callout(&[(HOST, server.addr)], Limits::default());
    soon(client.convert(&crd(&authority), objects, "example.com/v2")).await
}

#[tokio::test]
async fn a_batch_is_converted_in_order_in_one_request() {
    let (handler, asked) = converter(|answer| {
        answer["response"]["convertedObjects"][0]["metadata"]["labels"] = json!({"new": "label"});
        answer["response"]["convertedObjects"][0]["metadata"]["resourceVersion"] = json!("666");
        answer["response"]["convertedObjects"][0]["metadata"]["annotations"] = json!({"kept": "v1"});
    });
    let objects = vec![widget("v1", "a"), widget("v2", "b"), widget("v1", "c")];
    let converted = convert(handler, objects.clone()).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(asked.lock().unwrap()[0]["request"]["objects"], json!([objects[0], objects[2]]));
    assert_eq!(converted[1], objects[1], "it had the version already");
    let names: Vec<_> = converted.iter().map(|object| object["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(converted[0]["spec"], json!({"sizes": [1]}));
    assert_eq!(
        converted[0]["metadata"],
        json!({"name": "a", "namespace": "default", "uid": "uid-a", "resourceVersion": "7",
            "labels": {"new": "label"}, "annotations": {"kept": "v1"}}),
        "of the metadata, only labels and annotations are the webhook's to change"
    );
}

#[tokio::test]
async fn nothing_to_convert_asks_nobody() {
    let objects = vec![widget("v2", "a")];
    assert_eq!(convert(fixed(500, ""), objects.clone()).await.unwrap(), objects);
}

#[tokio::test]
async fn each_breach_of_the_contract_is_named() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 11] = [
        (
            |answer| answer["kind"] = json!("Other"),
            "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got",
        ),
        (|answer| answer["response"] = json!(null), "failed: no response provided"),
        (|answer| answer["response"]["uid"] = json!("x"), "failed: expected response.uid="),
        (|answer| answer["response"]["result"] = json!({"status": "Failure", "message": "can't"}), "failed: can't"),
        (|answer| answer["response"]["result"] = json!({}), "failed: response.result.status was '', not 'Success'"),
        (|answer| answer["response"]["convertedObjects"] = json!([]), "returned 0 objects, expected 1"),
        (
            |answer| answer["response"]["convertedObjects"][0]["apiVersion"] = json!("example.com/v3"),
            "returned invalid converted object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
        ),
        (
            |answer| answer["response"]["convertedObjects"][0]["kind"] = json!("Gadget"),
            "returned invalid converted object at index 0: invalid kind (expected Widget, received Gadget)",
        ),
        (
            |answer| answer["response"]["convertedObjects"][0]["metadata"]["name"] = json!("z"),
            "returned invalid converted object at index 0: must have the same name: a != z",
        ),
        (
            |answer| answer["response"]["convertedObjects"][0]["metadata"]["uid"] = json!("z"),
            "returned invalid converted object at index 0: must have the same UID: uid-a != z",
        ),
        (
            |answer| answer["response"]["convertedObjects"][0]["metadata"]["labels"] = json!({"a": 1}),
            "returned invalid converted object at index 0: metadata.labels: must be a map of strings",
        ),
    ];
    for (change, text) in cases {
        let error = convert(converter(change).0, vec![widget("v1", "a")]).await.unwrap_err();
        assert_eq!(error.code, 500);
        let expected = format!("conversion webhook for example.com/v1, Kind=Widget {text}");
        assert!(error.message.starts_with(&expected), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_hangs_is_given_up() {
    let authority = Authority::new();
    let server = Server::start(&authority.leaf(HOST), None, Arc::new(|_| Box::pin(std::future::pending()))).await;
    let limits = Limits { conversion: Duration::from_secs(5), ..Limits::default() };
    let client = callout(&[(HOST, server.addr)], limits);
    let error = client.convert(&crd(&authority), vec![widget("v1", "a")], "example.com/v2").await.unwrap_err();
    assert!(error.message.ends_with("context deadline exceeded"), "{error}");
}
