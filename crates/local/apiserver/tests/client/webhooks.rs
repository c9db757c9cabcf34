use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::custom::{define, definition, thing, things};
use crate::server::Server;
use crate::{admin, code};

/// An HTTPS server of the test's own, for `localhost` and `hook.default.svc`; gives its port.
async fn serve(server: &Server, answer: impl Fn(&http::request::Parts, Value) -> Value + Send + Sync + 'static) -> u16 {
    let names = ["localhost".to_owned(), "hook.default.svc".to_owned()];
    let pair = server.api.pki().issue_server("hook", &names, &[]).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, answer) = (tls.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else { return };
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
                    let answer = answer.clone();
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                        let text = answer(&parts, body).to_string();
                        let reply = Response::builder().header("content-type", "application/json");
                        Ok::<_, Infallible>(reply.body(Full::new(Bytes::from(text))).unwrap())
                    }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    port
}

pub(crate) fn bundle(server: &Server) -> String {
    BASE64_STANDARD.encode(server.api.pki().ca_pem())
}

fn webhook(server: &Server, port: u16, operations: &[&str]) -> Value {
    json!({
        "name": "hook.x.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": { "url": format!("https://localhost:{port}/"), "caBundle": bundle(server) },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": operations }],
    })
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
}

#[tokio::test]
async fn a_mutating_webhook_changes_what_is_stored() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let port = serve(&server, |_, review| {
        let patch = json!([{ "op": "add", "path": "/data", "value": { "by": "hook" } }]);
        let response = json!({
            "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch",
            "patch": BASE64_STANDARD.encode(patch.to_string()), "warnings": ["changed by a hook"],
        });
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
    })
    .await;
    let config = json!({ "metadata": { "name": "m" }, "webhooks": [webhook(&server, port, &["CREATE"])] });
    let hooks: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    hooks.create(&PostParams::default(), &serde_json::from_value(config).unwrap()).await.unwrap();
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let made = api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    assert_eq!(made.data.unwrap()["by"], "hook");
    let patch = Patch::Merge(json!({ "data": { "by": "hand" } }));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data.unwrap()["by"], "hand");
}

#[tokio::test]
async fn a_validating_webhook_refuses_and_sees_old_and_new() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let port = serve(&server, |_, review| {
        let request = &review["request"];
        let keep = request["operation"] == "DELETE" && request["oldObject"]["metadata"]["name"] == "keep";
        let status = json!({ "code": 403, "message": "keep it" });
        let response = json!({ "uid": request["uid"], "allowed": !keep, "status": status });
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
    })
    .await;
    let config = json!({ "metadata": { "name": "v" }, "webhooks": [webhook(&server, port, &["*"])] });
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    hooks.create(&PostParams::default(), &serde_json::from_value(config).unwrap()).await.unwrap();
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    for name in ["keep", "go"] {
        api.create(&PostParams::default(), &config_map(name)).await.unwrap();
    }
    api.delete("go", &DeleteParams::default()).await.unwrap();
    assert_eq!(code(api.delete("keep", &DeleteParams::default()).await), 403);
}

#[tokio::test]
async fn a_conversion_webhook_is_asked_both_ways() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let port = serve(&server, |_, review| {
        let wanted = &review["request"]["desiredAPIVersion"];
        let convert = |object: &Value| {
            let mut object = object.clone();
            object["apiVersion"] = wanted.clone();
            // v1 counts, v1alpha1 spells.
            let size = match object["spec"]["size"].clone() {
                Value::String(_) => json!(3),
                _ => json!("three"),
            };
            object["spec"]["size"] = size;
            object
        };
        let objects: Vec<_> = review["request"]["objects"].as_array().unwrap().iter().map(convert).collect();
        let result = json!({ "status": "Success" });
        let response = json!({ "uid": review["request"]["uid"], "result": result, "convertedObjects": objects });
        json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response })
    })
    .await;
    let mut crd = definition(&["v1", "v1alpha1"]);
    let url = format!("https://localhost:{port}/");
    crd["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": { "url": url, "caBundle": bundle(&server) },
    } });
    define(&client, crd).await;
    let old = things(&client, "v1alpha1");
    let made = old.create(&PostParams::default(), &thing("v1alpha1", "a", json!({ "size": "three" }))).await.unwrap();
    assert_eq!(made.data["spec"]["size"], "three");
    let new = things(&client, "v1");
    assert_eq!(new.get("a").await.unwrap().data["spec"]["size"], 3);
    let mut events = Box::pin(old.watch(&Default::default(), "0").await.unwrap());
    let first = futures::StreamExt::next(&mut events).await.unwrap().unwrap();
    let kube::api::WatchEvent::Added(object) = first else { panic!("{first:?}") };
    assert_eq!(object.data["spec"]["size"], "three");
}

/// A converter in which v1 counts and v1alpha1 spells; also a mutating webhook that makes it 7.
fn spell_and_count(_: &http::request::Parts, review: Value) -> Value {
    let request = &review["request"];
    if review["kind"] == "AdmissionReview" {
        let seen = &request["object"]["spec"]["size"];
        let fits = request["kind"]["version"] == "v1"
            && request["requestKind"]["version"] == "v1alpha1"
            && request["object"]["apiVersion"] == "x.io/v1"
            && seen.is_number();
        let patch = json!([{ "op": "replace", "path": "/spec/size", "value": 7 }]);
        let response = json!({
            "uid": request["uid"], "allowed": fits, "status": { "message": format!("unexpected: {request}") },
            "patchType": "JSONPatch", "patch": BASE64_STANDARD.encode(patch.to_string()),
        });
        return json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
    }
    let convert = |object: &Value| {
        let mut object = object.clone();
        object["apiVersion"] = request["desiredAPIVersion"].clone();
        object["spec"]["size"] = match object["spec"]["size"].take() {
            Value::String(text) if text == "three" => json!(3),
            Value::String(_) => json!(7),
            Value::Number(number) if number.as_i64() == Some(3) => json!("three"),
            _ => json!("seven"),
        };
        object
    };
    let objects: Vec<_> = request["objects"].as_array().unwrap().iter().map(convert).collect();
    let response = json!({ "uid": request["uid"], "result": { "status": "Success" }, "convertedObjects": objects });
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response })
}

#[tokio::test]
async fn a_webhook_for_another_version_is_asked_in_that_version() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let port = serve(&server, spell_and_count).await;
    let mut crd = definition(&["v1", "v1alpha1"]);
    let url = format!("https://localhost:{port}/");
    crd["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": { "url": url, "caBundle": bundle(&server) },
    } });
    define(&client, crd).await;
    let mut hook = webhook(&server, port, &["CREATE"]);
    hook["rules"] =
        json!([{ "apiGroups": ["x.io"], "apiVersions": ["v1"], "resources": ["things"], "operations": ["*"] }]);
    let config = json!({ "metadata": { "name": "m" }, "webhooks": [hook] });
    let hooks: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    hooks.create(&PostParams::default(), &serde_json::from_value(config).unwrap()).await.unwrap();
    let old = things(&client, "v1alpha1");
    let made = old.create(&PostParams::default(), &thing("v1alpha1", "a", json!({ "size": "three" }))).await.unwrap();
    assert_eq!(made.data["spec"]["size"], "seven");
    assert_eq!(things(&client, "v1").get("a").await.unwrap().data["spec"]["size"], 7);
}

#[tokio::test]
async fn an_aggregated_api_is_found_and_told_who_asks() {
    let server = Server::start().await;
    let client = admin(&server).await;
    let port = serve(&server, |parts, _| {
        let user = parts.headers.get("x-remote-user").map(|user| user.to_str().unwrap().to_owned());
        match parts.uri.path() {
            "/apis/m.x.io/v1" => json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "m.x.io/v1",
                "resources": [{ "name": "edges", "singularName": "edge", "namespaced": false, "kind": "Edge", "verbs": ["list"] }],
            }),
            path => json!({ "path": path, "user": user }),
        }
    })
    .await;
    let service: Service = serde_json::from_value(json!({
        "metadata": { "name": "hook" }, "spec": { "ports": [{ "name": "https", "port": 443 }] },
    }))
    .unwrap();
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": { "name": "hook-1", "labels": { "kubernetes.io/service-name": "hook" } },
        "addressType": "IPv4", "ports": [{ "name": "https", "port": port, "protocol": "TCP" }],
        "endpoints": [{ "addresses": ["10.42.0.9"], "conditions": { "ready": true } }],
    }))
    .unwrap();
    let api_service: APIService = serde_json::from_value(json!({
        "metadata": { "name": "v1.m.x.io" },
        "spec": {
            "group": "m.x.io", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": { "name": "hook", "namespace": "default" }, "caBundle": bundle(&server),
        },
    }))
    .unwrap();
    let post = PostParams::default();
    Api::<Service>::default_namespaced(client.clone()).create(&post, &service).await.unwrap();
    Api::<EndpointSlice>::default_namespaced(client.clone()).create(&post, &slice).await.unwrap();
    let services: Api<APIService> = Api::all(client.clone());
    services.create(&post, &api_service).await.unwrap();
    let available = |object: Option<&APIService>| {
        let conditions = object.and_then(|o| o.status.as_ref()).and_then(|s| s.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "Available" && c.status == "True")
    };
    let waiting = kube::runtime::wait::await_condition(services, "v1.m.x.io", available);
    tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.expect("not available").unwrap();
    let group = kube::discovery::group(&client, "m.x.io").await.unwrap();
    assert!(group.recommended_kind("Edge").is_some());
    let request = http::Request::get("/apis/m.x.io/v1/edges?limit=5").body(Vec::new()).unwrap();
    let seen: Value = client.request(request).await.unwrap();
    assert_eq!(seen, json!({ "path": "/apis/m.x.io/v1/edges", "user": "kubernetes-admin" }));
}
