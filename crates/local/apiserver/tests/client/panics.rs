use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use isthmus_local_apiserver::Limits;
use isthmus_local_callout::Dial;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;
use tokio::net::TcpStream;

use crate::server::Server;
use crate::webhooks::bundle;
use crate::{admin, code};

struct Broken;

impl Dial for Broken {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(async { panic!("a fault of the program") })
    }
}

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_the_server_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dialing(dir, None, Limits::default(), Arc::new(Broken)).await;
    let client = admin(&server).await;
    let config = json!({ "metadata": { "name": "v" }, "webhooks": [{
        "name": "hook.x.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": { "url": "https://127.0.0.1:1/", "caBundle": bundle(&server) },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"] }],
    }] });
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    hooks.create(&PostParams::default(), &serde_json::from_value(config).unwrap()).await.unwrap();
    let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "a" } })).unwrap();
    assert_eq!(code(api.create(&PostParams::default(), &map).await), 500);
    // On the same connections as well as on new ones.
    for client in [client, admin(&server).await] {
        let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
        assert_eq!(code(api.get("a").await), 404);
        let metrics = client.request_text(http::Request::get("/metrics").body(Vec::new()).unwrap()).await.unwrap();
        assert!(metrics.contains("apiserver_request_panics_total 1"), "{metrics}");
    }
}
