//! Reviews over HTTPS, as the API server sends them.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use isthmus_core::id::TrustDomain;
use isthmus_identity::{Authority, crypto_provider};
use prometheus::{IntCounterVec, Opts};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{admission::Validator, ca::Roots, config::Config, https, inject::Injector, testing::object};

const NAME: &str = "isthmus-controller.isthmus-system.svc";

struct Running {
    addr: SocketAddr,
    authority: Arc<Authority>,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn start() -> Running {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let authority = Authority::generate(domain.clone(), SystemTime::now(), Duration::from_secs(3600)).unwrap();
    let authority = Arc::new(authority);
    let certificate = Certificate::new(&authority, &[NAME.to_owned()]).unwrap();
    let server = Server {
        tls: certificate.server_config().unwrap(),
        injector: Injector::new(&Config::new(domain), Roots::fixed(authority.clone())).unwrap(),
        validator: Validator { cluster_domain: "cluster.local".into() },
        reviews: IntCounterVec::new(Opts::new("reviews", "Reviews."), &["webhook", "result"]).unwrap(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(https::serve("webhooks", listener, Arc::new(server), stop.clone()));
    Running { addr, authority, stop }
}

impl Running {
    async fn connect(&self, name: &'static str) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        // As the API server does: the root from `caBundle`, and the DNS name of the Service.
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.certificate().clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.addr).await?;
        TlsConnector::from(Arc::new(config)).connect(name.try_into().unwrap(), stream).await
    }

    async fn post(&self, path: &str, body: String) -> (u16, Value) {
        let io = TokioIo::new(self.connect(NAME).await.unwrap());
        let (mut send, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(path).header("host", NAME).body(Full::<Bytes>::from(body)).unwrap();
        let response = send.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
    }

    async fn review(&self, path: &str, kind: Value, object: Value) -> Value {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "u-1", "kind": kind, "operation": "CREATE", "namespace": "shop", "object": object}});
        let (status, answer) = self.post(path, review.to_string()).await;
        assert_eq!(
            (status, &answer["apiVersion"], &answer["kind"]),
            (200, &json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
        assert_eq!(answer["response"]["uid"], "u-1");
        answer["response"].clone()
    }
}

#[tokio::test]
async fn a_pod_is_patched() {
    let server = start().await;
    let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app", "image": "x"}]}});
    let response = server.review("/inject", json!({"group": "", "version": "v1", "kind": "Pod"}), pod.clone()).await;
    assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")));
    use base64::{Engine, prelude::BASE64_STANDARD};
    let patch = BASE64_STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let mut patched = pod;
    json_patch::patch(&mut patched, &serde_json::from_slice::<json_patch::Patch>(&patch).unwrap()).unwrap();
    assert_eq!(patched["spec"]["initContainers"][1]["name"], "isthmus-proxy");
}

#[tokio::test]
async fn a_bad_object_is_refused_with_field_and_value() {
    let server = start().await;
    let split = object("TrafficSplit", "s", json!({"service": "web", "backends": [{"service": "b", "weight": -1}]}));
    let kind = json!({"group": "split.smi-spec.io", "version": "v1alpha4", "kind": "TrafficSplit"});
    let response = server.review("/validate", kind, split).await;
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(422)));
    assert!(response["status"]["message"].as_str().unwrap().contains("spec.backends[0].weight: -1"));
}

#[tokio::test]
async fn objects_are_converted_all_or_none() {
    let server = start().await;
    let split = |name: &str, weight: &str| {
        json!({"apiVersion": "split.smi-spec.io/v1alpha1", "kind": "TrafficSplit",
            "metadata": {"name": name, "namespace": "shop", "uid": name},
            "spec": {"service": "web", "backends": [{"service": "b", "weight": weight}]}})
    };
    let convert = async |objects: Value| {
        let review = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "request": {"uid": "u-1", "desiredAPIVersion": "split.smi-spec.io/v1alpha4", "objects": objects}});
        let (status, answer) = server.post("/convert", review.to_string()).await;
        assert_eq!(
            (status, &answer["kind"], &answer["response"]["uid"]),
            (200, &json!("ConversionReview"), &json!("u-1"))
        );
        answer["response"].clone()
    };
    let response = convert(json!([split("a", "1"), split("b", "500m")])).await;
    assert_eq!(response["result"]["status"], "Success");
    let weights = [0, 1].map(|i| response["convertedObjects"][i]["spec"]["backends"][0]["weight"].clone());
    assert_eq!(weights, [json!(1000), json!(500)]);
    assert_eq!(response["convertedObjects"][0]["metadata"]["uid"], "a");
    let response = convert(json!([split("a", "1"), split("b", "much")])).await;
    assert_eq!((&response["result"]["status"], &response["convertedObjects"]), (&json!("Failed"), &json!([])));
    let message = response["result"]["message"].as_str().unwrap();
    assert!(message.contains("TrafficSplit shop/b: spec.backends[0].weight") && message.contains("much"), "{message}");
}

#[tokio::test]
async fn what_is_not_a_review_is_answered_as_such() {
    let server = start().await;
    assert_eq!(server.post("/validate", "nonsense".into()).await.0, 400);
    assert_eq!(server.post("/validate", json!({"apiVersion": "admission.k8s.io/v1beta1"}).to_string()).await.0, 400);
    assert_eq!(server.post("/convert", json!({"apiVersion": "apiextensions.k8s.io/v1beta1"}).to_string()).await.0, 400);
    assert_eq!(server.post("/convert", "x".repeat(33 << 20)).await.0, 400);
    assert_eq!(server.post("/other", "{}".into()).await.0, 404);
    assert_eq!(server.post("/validate", "x".repeat(9 << 20)).await.0, 400);
}

#[tokio::test]
async fn the_certificate_is_for_the_services_name_only() {
    let server = start().await;
    assert!(server.connect(NAME).await.is_ok());
    assert!(server.connect("example.com").await.is_err());
}
