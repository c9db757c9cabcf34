use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::*;
use crate::admission::{Convert, Equivalents, Operation, Versioned};
use crate::testing::{
    Authority, HOST, Handler, Leaf, Server, callout, client_config, fixed, json_handler, nowhere, soon,
};
use crate::{Limits, User};

fn pod_request() -> Request {
    Request {
        operation: Operation::Create,
        kind: Versioned::new("", "v1", "Pod"),
        resource: Versioned::new("", "v1", "pods"),
        subresource: String::new(),
        name: "web".to_owned(),
        namespace: "default".to_owned(),
        namespace_object: Some(Arc::new(json!({"metadata": {"name": "default", "labels": {"team": "shop"}}}))),
        user: User { name: "alice".to_owned(), groups: vec!["devs".to_owned()], ..User::default() },
        object: Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {}})),
        old_object: None,
        dry_run: false,
        options: json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}),
        equivalents: Equivalents::default(),
    }
}

fn webhook(name: &str, authority: &Authority, more: Value) -> Value {
    let mut webhook = json!({
        "name": name,
        "clientConfig": client_config(authority),
        "rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    });
    for (key, value) in more.as_object().unwrap() {
        webhook[key] = value.clone();
    }
    webhook
}

fn config(name: &str, webhooks: Vec<Value>) -> Value {
    json!({"metadata": {"name": name}, "webhooks": webhooks})
}

fn allow(review: &Value, more: Value) -> Value {
    let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
    for (key, value) in more.as_object().unwrap() {
        response[key] = value.clone();
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

fn patch(operations: Value) -> Value {
    json!({"patchType": "JSONPatch", "patch": BASE64_STANDARD.encode(operations.to_string())})
}

/// One server, one webhook `x.example.com`, one request.
struct Scene {
    authority: Authority,
    server: Server,
}

impl Scene {
    async fn new(handler: Handler) -> Self {
        let authority = Authority::new();
        let leaf = authority.leaf(HOST);
        Self::with(authority, &leaf, handler).await
    }

    async fn with(authority: Authority, leaf: &Leaf, handler: Handler) -> Self {
        let server = Server::start(leaf, None, handler).await;
        Self { authority, server }
    }

    async fn mutate(&self, more: Value, request: Request) -> Result<Outcome, ApiError> {
        let config = config("c", vec![webhook("x.example.com", &self.authority, more)]);
        soon(callout(&[(HOST, self.server.addr)], Limits::default()).mutate(&[config], request)).await
    }

    async fn error(&self, more: Value) -> ApiError {
        self.mutate(more, pod_request()).await.unwrap_err()
    }
}

#[tokio::test]
async fn a_webhook_is_told_all_and_may_change_the_object() {
    let (handler, asked) = json_handler(|review| {
        let mut answer = patch(json!([{"op": "add", "path": "/spec/injected", "value": true}]));
        answer["warnings"] = json!(["careful", "bad\nline"]);
        allow(review, answer)
    });
    let scene = Scene::new(handler).await;
    let outcome = scene.mutate(json!({}), pod_request()).await.unwrap();
    assert_eq!(outcome.object.unwrap()["spec"], json!({"injected": true}));
    assert_eq!(outcome.warnings, ["careful", "badline"]);
    let mut asked = asked.lock().unwrap().remove(0);
    let uid = asked["request"]["uid"].take();
    assert_eq!(uid.as_str().unwrap().len(), 36);
    assert_eq!(
        asked,
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": null,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["devs"]},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {}},
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        }})
    );
}

#[tokio::test]
async fn webhooks_are_asked_by_the_name_of_their_configuration_and_see_what_was_done_before() {
    let (handler, _) = json_handler(|review| {
        let count = review["request"]["object"]["spec"].as_object().unwrap().len();
        allow(review, patch(json!([{"op": "add", "path": format!("/spec/step{count}"), "value": count}])))
    });
    let scene = Scene::new(handler).await;
    let hook = |name: &str| webhook(name, &scene.authority, json!({}));
    let configs = [config("b", vec![hook("b1.x.y"), hook("b2.x.y")]), config("a", vec![hook("a1.x.y")])];
    let outcome =
        callout(&[(HOST, scene.server.addr)], Limits::default()).mutate(&configs, pod_request()).await.unwrap();
    assert_eq!(outcome.object.unwrap()["spec"], json!({"step0": 0, "step1": 1, "step2": 2}));
    let order: Vec<_> = webhooks(&configs).unwrap().into_iter().map(|webhook| webhook.name).collect();
    assert_eq!(order, ["a1.x.y", "b1.x.y", "b2.x.y"]);
}

#[tokio::test]
async fn a_willing_webhook_is_asked_again_when_a_later_one_changed_the_object() {
    let authority = Authority::new();
    let leaf = authority.leaf(HOST);
    let (first, first_asked) = json_handler(|review| allow(review, json!({})));
    let (second, second_asked) = json_handler(|review| {
        let spec = &review["request"]["object"]["spec"];
        let answer = if spec.get("late").is_some() {
            json!({})
        } else {
            patch(json!([{"op": "add", "path": "/spec/late", "value": 1}]))
        };
        allow(review, answer)
    });
    let (first, second) = (Server::start(&leaf, None, first).await, Server::start(&leaf, None, second).await);
    let hooks = |policy: &str| {
        vec![
            webhook("one.x.y", &authority, json!({"reinvocationPolicy": policy})),
            webhook(
                "two.x.y",
                &authority,
                json!({"reinvocationPolicy": policy, "clientConfig": {
                "service": {"namespace": "default", "name": "hook", "port": 8443}, "caBundle": authority.bundle()}}),
            ),
        ]
    };
    struct ByPort(SocketAddr, SocketAddr);
    impl crate::Services for ByPort {
        fn resolve(&self, _: &str, _: &str, port: u16) -> Option<SocketAddr> {
            Some(if port == 443 { self.0 } else { self.1 })
        }
    }
    let callout = Callout::new(Arc::new(crate::HostDial), Arc::new(ByPort(first.addr, second.addr)), Limits::default());
    for (policy, first_times) in [("Never", 1), ("IfNeeded", 2)] {
        first_asked.lock().unwrap().clear();
        second_asked.lock().unwrap().clear();
        callout.mutate(&[config("c", hooks(policy))], pod_request()).await.unwrap();
        assert_eq!(first_asked.lock().unwrap().len(), first_times, "{policy}");
        assert_eq!(second_asked.lock().unwrap().len(), 1, "the last to change is not asked again");
    }
    assert_eq!(first_asked.lock().unwrap()[1]["request"]["object"]["spec"], json!({"late": 1}));
}

#[tokio::test]
async fn a_webhook_may_be_named_by_url() {
    let authority = Authority::new();
    let (handler, asked) = json_handler(|review| allow(review, json!({})));
    let server = Server::start(&authority.leaf("127.0.0.1"), None, handler).await;
    let url = format!("https://127.0.0.1:{}/some/path", server.addr.port());
    let by_url = json!({"clientConfig": {"url": url, "caBundle": authority.bundle()}});
    let configs = [config("c", vec![webhook("x.example.com", &authority, by_url)])];
    callout(&[], Limits::default()).mutate(&configs, pod_request()).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_denial_is_told_with_the_webhooks_own_words() {
    for (status, code, text) in [
        (json!({"message": "no pods today", "code": 403}), 403, "denied the request: no pods today"),
        (json!({"reason": "Because"}), 400, "denied the request: Because"),
        (json!({"code": 200}), 400, "denied the request without explanation"),
    ] {
        let (handler, _) =
            json_handler(move |review| allow(review, json!({"allowed": false, "status": status.clone()})));
        let scene = Scene::new(handler).await;
        for policy in ["Fail", "Ignore"] {
            let error = scene.error(json!({"failurePolicy": policy})).await;
            assert_eq!((error.code, error.message), (code, format!("admission webhook \"x.example.com\" {text}")));
        }
    }
}

/// With `Fail` the error is 500 and says so; with `Ignore` the request passes unchanged.
async fn assert_failure(scene: &Scene, text: &str) {
    let error = scene.error(json!({})).await;
    assert_eq!((error.code, error.reason), (500, "InternalError"));
    let start = "Internal error occurred: failed calling webhook \"x.example.com\": ";
    assert!(error.message.starts_with(start) && error.message.contains(text), "{}", error.message);
    let outcome = scene.mutate(json!({"failurePolicy": "Ignore"}), pod_request()).await.unwrap();
    assert_eq!(outcome, Outcome { object: pod_request().object, warnings: vec![] });
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let leaf = Authority::new().leaf(HOST);
    let scene = Scene::with(Authority::new(), &leaf, fixed(200, "{}")).await;
    let url = format!(
        "failed to call webhook: Post \"https://{HOST}:443/ask?timeout=10s\": tls: failed to verify certificate"
    );
    assert_failure(&scene, &url).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let leaf = authority.leaf("other.default.svc");
    let scene = Scene::with(authority, &leaf, fixed(200, "{}")).await;
    assert_failure(&scene, "tls: failed to verify certificate").await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let leaf = authority.expired_leaf(HOST);
    let scene = Scene::with(authority, &leaf, fixed(200, "{}")).await;
    assert_failure(&scene, "expired").await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let authority = Authority::new();
    let leaf = authority.leaf(HOST);
    let (handler, _) = json_handler(|review| allow(review, json!({"warnings": ["x".repeat(5000)]})));
    let server = Server::start(&leaf, None, handler).await;
    let limits = Limits { answer_bytes: 1000, ..Limits::default() };
    let config = config("c", vec![webhook("x.example.com", &authority, json!({}))]);
    let error = callout(&[(HOST, server.addr)], limits).mutate(&[config], pod_request()).await.unwrap_err();
    assert!(error.message.contains("the answer is larger than 1000 bytes"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_hangs_is_given_up_after_its_timeout() {
    let scene = Scene::new(Arc::new(|_| Box::pin(std::future::pending()))).await;
    let config = config("c", vec![webhook("x.example.com", &scene.authority, json!({"timeoutSeconds": 7}))]);
    let before = tokio::time::Instant::now();
    let error =
        callout(&[(HOST, scene.server.addr)], Limits::default()).mutate(&[config], pod_request()).await.unwrap_err();
    assert!(error.message.ends_with("?timeout=7s\": context deadline exceeded"), "{error}");
    assert!(before.elapsed() <= std::time::Duration::from_secs(8), "{:?}", before.elapsed());
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_a_failed_call() {
    assert_failure(&Scene::new(fixed(200, "not json")).await, "couldn't decode the answer as JSON").await;
    assert_failure(
        &Scene::new(fixed(200, "{}")).await,
        "received invalid webhook response: expected webhook response of",
    )
    .await;
    assert_failure(&Scene::new(fixed(404, "gone")).await, "the server could not find the requested resource").await;
    let text = "an error on the server (\"broken\") has prevented the request from succeeding";
    assert_failure(&Scene::new(fixed(500, "broken")).await, text).await;
    let (handler, _) = json_handler(|review| allow(review, json!({"uid": "other"})));
    assert_failure(&Scene::new(handler).await, "received invalid webhook response: expected response.uid=").await;
    let (handler, _) = json_handler(|review| allow(review, json!({"patchType": "JSONPatch", "patch": "bm90IGpzb24="})));
    assert_failure(&Scene::new(handler).await, "received undecodable patch in webhook response").await;
}

#[tokio::test]
async fn a_webhook_that_is_not_there_is_a_failed_call() {
    let scene = Scene::new(fixed(200, "{}")).await;
    let configs = |more| [config("c", vec![webhook("x.example.com", &scene.authority, more)])];
    let error = callout(&[], Limits::default()).mutate(&configs(json!({})), pod_request()).await.unwrap_err();
    assert!(error.message.contains("no endpoints available for service \"hook\""), "{error}");
    let closed = callout(&[(HOST, nowhere().await)], Limits::default());
    let error = closed.mutate(&configs(json!({})), pod_request()).await.unwrap_err();
    assert!(
        error.message.contains("dial tcp 127.0.0.1:") && error.message.ends_with(": connect: connection refused"),
        "{error}"
    );
    let unsigned = json!({"clientConfig": {"service": {"namespace": "default", "name": "hook"}}});
    let error = scene.error(unsigned).await;
    assert!(error.message.contains("no caBundle is given"), "{error}");
}

#[tokio::test]
async fn a_patch_that_does_not_apply_refuses_also_with_ignore() {
    let (handler, _) = json_handler(|review| allow(review, patch(json!([{"op": "remove", "path": "/spec/missing"}]))));
    let scene = Scene::new(handler).await;
    for policy in ["Fail", "Ignore"] {
        let error = scene.error(json!({"failurePolicy": policy})).await;
        assert_eq!(error.code, 500);
        assert!(error.message.contains("path is invalid") || error.message.contains("missing"), "{error}");
    }
    let mut request = pod_request();
    request.operation = Operation::Delete;
    request.old_object = request.object.take().map(Arc::new);
    let error = scene.mutate(json!({}), request).await.unwrap_err();
    assert!(error.message.contains("attempted to modify the object, which is not supported"), "{error}");
}

#[tokio::test]
async fn a_dry_run_asks_only_webhooks_without_side_effects() {
    let (handler, asked) = json_handler(|review| allow(review, json!({})));
    let scene = Scene::new(handler).await;
    let request = Request { dry_run: true, ..pod_request() };
    scene.mutate(json!({"sideEffects": "NoneOnDryRun"}), request.clone()).await.unwrap();
    assert_eq!(asked.lock().unwrap()[0]["request"]["dryRun"], true);
    let error = scene.mutate(json!({"sideEffects": "Some", "failurePolicy": "Ignore"}), request).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (400, "admission webhook \"x.example.com\" does not support dry run")
    );
}

#[tokio::test]
async fn webhook_configurations_themselves_are_exempt() {
    let scene = Scene::new(fixed(500, "")).await;
    let resource = Versioned::new("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations");
    let request = Request { resource, namespace: String::new(), ..pod_request() };
    scene.mutate(json!({}), request).await.unwrap();
}

#[tokio::test]
async fn a_validating_webhook_may_say_no_but_not_patch() {
    let authority = Authority::new();
    let leaf = authority.leaf(HOST);
    let (handler, _) = json_handler(|review| allow(review, json!({"warnings": ["w"]})));
    let server = Server::start(&leaf, None, handler).await;
    let configs = [config("c", vec![webhook("a.x.y", &authority, json!({})), webhook("b.x.y", &authority, json!({}))])];
    let client = callout(&[(HOST, server.addr)], Limits::default());
    assert_eq!(client.validate(&configs, &pod_request()).await.unwrap(), ["w", "w"]);

    let (handler, _) = json_handler(|review| allow(review, patch(json!([]))));
    let server = Server::start(&leaf, None, handler).await;
    let client = callout(&[(HOST, server.addr)], Limits::default());
    let error = client.validate(&configs, &pod_request()).await.unwrap_err();
    assert!(
        error
            .message
            .contains("\"a.x.y\": received invalid webhook response: validating webhook may not return response.patch"),
        "{error}"
    );

    let (handler, _) = json_handler(|review| allow(review, json!({"allowed": false})));
    let server = Server::start(&leaf, None, handler).await;
    let client = callout(&[(HOST, server.addr)], Limits::default());
    let error = client.validate(&configs, &pod_request()).await.unwrap_err();
    assert_eq!(error.message, "admission webhook \"a.x.y\" denied the request without explanation");
}

#[tokio::test]
async fn match_conditions_are_never_ignored() {
    let configs = [config("c", vec![webhook("a.x.y", &Authority::new(), json!({"matchConditions": [{"name": "n"}]}))])];
    let error = callout(&[], Limits::default()).mutate(&configs, pod_request()).await.unwrap_err();
    assert!(error.message.contains("matchConditions are not supported"), "{error}");
}

/// `v1` has a size, `v2` a list of sizes.
struct Sizes;

impl Convert for Sizes {
    fn convert<'a>(&'a self, mut object: Value, api_version: &'a str) -> BoxFuture<'a, Result<Value, ApiError>> {
        let size = object["size"].take();
        object["size"] = if api_version == "x.io/v2" { json!([size]) } else { size[0].clone() };
        object["apiVersion"] = json!(api_version);
        Box::pin(async { Ok(object) })
    }
}

#[tokio::test]
async fn a_webhook_of_an_equivalent_version_sees_and_changes_that_version() {
    let (handler, asked) = json_handler(|review| {
        let version = review["request"]["kind"]["version"].clone();
        let patch =
            if version == "v2" { patch(json!([{"op": "add", "path": "/size/0", "value": 7}])) } else { json!({}) };
        allow(review, patch)
    });
    let scene = Scene::new(handler).await;
    let object =
        |version: &str, size: Value| json!({"apiVersion": format!("x.io/{version}"), "kind": "Thing", "size": size});
    let request = Request {
        operation: Operation::Update,
        kind: Versioned::new("x.io", "v1", "Thing"),
        resource: Versioned::new("x.io", "v1", "things"),
        object: Some(object("v1", json!(3))),
        old_object: Some(Arc::new(object("v1", json!(2)))),
        equivalents: Equivalents::new(vec!["v2".to_owned()], Arc::new(Sizes)),
        ..pod_request()
    };
    let rules = |version: &str| json!([{"operations": ["*"], "apiGroups": ["x.io"], "apiVersions": [version], "resources": ["things"]}]);
    let ask = async |more: Value| scene.mutate(more, request.clone()).await.unwrap().object.unwrap();
    assert_eq!(ask(json!({"rules": rules("v2"), "matchPolicy": "Exact"})).await, object("v1", json!(3)));
    assert_eq!(asked.lock().unwrap().len(), 0, "v2 exactly is not v1");
    assert_eq!(ask(json!({"rules": rules("v2")})).await, object("v1", json!(7)));
    let review = asked.lock().unwrap().remove(0);
    let told = &review["request"];
    assert_eq!((&told["kind"]["version"], &told["requestKind"]["version"]), (&json!("v2"), &json!("v1")));
    assert_eq!((&told["resource"]["version"], &told["requestResource"]["version"]), (&json!("v2"), &json!("v1")));
    assert_eq!(told["object"], object("v2", json!([3])));
    assert_eq!(told["oldObject"], object("v2", json!([2])));
    // Its own version comes first where a rule names it.
    assert_eq!(ask(json!({"rules": rules("*")})).await, object("v1", json!(3)));
    assert_eq!(asked.lock().unwrap()[0]["request"]["kind"]["version"], "v1");
}
