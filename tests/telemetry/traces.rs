//! The way to a collector as it is in production: TLS by an authority of its own, and a token that a Secret holds.

use std::{fs, time::Duration};

use anyhow::ensure;
use isthmus_tests::{
    http, left_out, software,
    wait::{expect_eq, until},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{SHOP, Scene};

const NAMESPACE: &str = "observability";
const HOST: &str = "collector.observability";
const SECRET: &str = "otel-headers";
const TOKEN: &str = "Bearer 8d1c5a-only-for-the-collector";
/// A mounted Secret is read anew within a minute and a half.
const PATIENCE: Duration = Duration::from_secs(120);

/// Its certificate, and the authority that the mesh is told of.
pub(crate) struct Collector {
    authority: TempDir,
    certificate: String,
    key: String,
}

impl Collector {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = tempfile::tempdir()?;
        fs::write(authority.path().join("ca.pem"), params.self_signed(&authority_key)?.pem())?;
        let leaf = CertificateParams::new(vec![HOST.to_owned()])?;
        let leaf = leaf.signed_by(&key, &Issuer::from_params(&params, &authority_key))?;
        Ok(Self { authority, certificate: leaf.pem(), key: key.serialize_pem() })
    }

    /// Flags of `isthmus up`. No trace begins in the mesh, so that only this file's test has spans.
    pub(crate) fn told_to_the_mesh(&self) -> anyhow::Result<[String; 4]> {
        Ok([
            format!("--trace-endpoint=https://{HOST}:4317"),
            format!("--trace-ca-file={}", self.authority.path().join("ca.pem").display()),
            format!("--trace-headers-secret={SECRET}"),
            "--trace-sampling=0".to_owned(),
        ])
    }

    fn manifest(&self) -> Value {
        let command = format!("exec {} {}", software::python(), software::script("otlp_recorder.py"));
        let env = [("CERTIFICATE", &*self.certificate), ("KEY", &*self.key), ("AUTHORIZATION", TOKEN)]
            .map(|(name, value)| json!({ "name": name, "value": value }));
        let labels = json!({ "app": "collector" });
        json!({ "apiVersion": "v1", "kind": "List", "items": [
            { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "collector" },
              "spec": { "selector": labels, "ports": [{ "port": 4317 }] } },
            { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "collector" },
              "spec": { "selector": { "matchLabels": labels }, "template": {
                  "metadata": { "labels": labels },
                  "spec": { "containers": [{
                      "name": "collector", "image": "local/sh", "args": ["-ec", command], "env": env,
                      "readinessProbe": { "tcpSocket": { "port": 8080 }, "periodSeconds": 1 },
                  }] } } } },
        ] })
    }
}

/// Spans of all sidecars that had this outcome.
fn expect_spans(scene: &Scene, outcome: &str, count: f64) -> anyhow::Result<()> {
    scene.prometheus.expect(&format!("sum(isthmus_trace_spans_total{{outcome=\"{outcome}\"}})"), count)
}

pub(crate) fn by_tls_with_a_token(scene: &Scene) -> anyhow::Result<()> {
    if let Err(missing) = software::check_python() {
        left_out::say("spans_reach_a_collector_that_wants_tls_and_a_token", &missing.why, &missing.remedy);
        return Ok(());
    }
    let kubectl = &scene.cluster.kubectl;
    kubectl.run(&["create", "namespace", NAMESPACE])?;
    kubectl.apply(NAMESPACE, &scene.collector.manifest().to_string())?;
    kubectl.run(&["rollout", "status", "-n", NAMESPACE, "deployment/collector", "--timeout=90s"])?;
    let call = |trace: &str| scene.call_with("steady", "ok", &json!({ "b3": format!("{trace}-a2fb4a1d1a96d312-1") }));
    let secret = |token: &str| {
        let headers = json!({ "headers": format!("authorization: {token}\n") });
        let secret =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": SECRET }, "stringData": headers });
        kubectl.apply(SHOP, &secret.to_string())
    };

    // The pods have started without the Secret. With a token that the collector doesn't know, it gets nothing.
    secret("Bearer of-somebody-else")?;
    until("spans refused for their token", PATIENCE, || {
        call("463ac35c9f6413ad48485a3953bb6100")?;
        scene.prometheus.expect("sum(isthmus_trace_spans_total{outcome=\"rejected\"}) > bool 0", 1.0)
    })?;
    expect_spans(scene, "exported", 0.0)?;

    secret(TOKEN)?;
    until("spans taken for their token", PATIENCE, || {
        call("463ac35c9f6413ad48485a3953bb6101")?;
        scene.prometheus.expect("count(isthmus_trace_spans_total{outcome=\"exported\"} > 0)", 2.0)
    })?;
    let told = kubectl.port_forward(NAMESPACE, "deployment/collector", 8080)?;
    let spans: Vec<Value> = serde_json::from_str(http::send(told.port, http::request("GET", "/"))?.body())?;
    for service in ["caller", "steady"] {
        let of = |span: &&Value| span.pointer("/resource/service.name").and_then(Value::as_str) == Some(service);
        ensure!(spans.iter().any(|span| of(&span)), "no span of {service}: {spans:?}");
    }
    let pods = kubectl.run(&["get", "pods", "-n", SHOP, "-o", "yaml"])?;
    expect_eq("a token in a pod's manifest", pods.contains("Bearer"), false)
}
