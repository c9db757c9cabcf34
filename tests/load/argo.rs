//! Argo Rollouts: at the end of a canary it moves the stable Service to the new pods and gives it all the weight, in this order and at once
//! (argo-rollouts#1826). The version that is replaced must not get a single request of that.

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::{
    clients::{Server, VERSIONS, answers_of, backends, condition, reads_back, split},
    manifest,
    stage::{PATIENCE, Stage},
};

const NAME: &str = "callee";
const STABLE: &str = "callee";
const CANARY: &str = "callee-canary";
const EXPERIMENT: &str = "callee-experiment";

/// What all pods have in common is selected too, as users write it; the hash is Argo's.
fn services() -> String {
    let one = |name: &str| {
        format!(
            "---
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec:
  selector: {{ app: callee, rollouts-pod-template-hash: v1 }}
  ports: [{{ name: http, port: 80, targetPort: http }}, {{ name: lines, port: 6380, targetPort: lines }}]
"
        )
    };
    [CANARY, EXPERIMENT].map(one).concat()
}

/// Name and address of a version's pod.
fn pod_of(version: &str) -> [String; 6] {
    let columns = "jsonpath={.items[0].metadata.name} {.items[0].status.podIP}";
    ["get", "pods", "-l", &format!("version={version}"), "-o", columns].map(str::to_owned)
}

/// The halves are measured to be halves.
fn verified(server: &Server) -> anyhow::Result<()> {
    until("the weights to be verified", PATIENCE, || {
        let split = server.split("v1alpha4", NAME)?.context("no split")?;
        let generation = split.pointer("/metadata/generation");
        expect_eq("generationInEffect", split.pointer("/status/generationInEffect"), generation)?;
        let verified = condition(&split, "WeightVerified").context("no condition WeightVerified")?;
        expect_eq(&format!("{verified}"), verified.get("status").and_then(Value::as_str), Some("True"))?;
        let measured = split.pointer("/status/backends").and_then(Value::as_array).context("no backends")?;
        println!("    {} {}", verified.pointer("/message").unwrap_or(&Value::Null), json!(measured));
        expect_eq("backends that were measured", measured.len(), 2)
    })
}

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-argo", 1, 1, &["tcp", "tcp-new"])?;
    let server = Server::of(cluster, stage.namespace)?;
    stage.apply(&services())?;
    server.switch(STABLE, "v1", NAME)?;
    stage.apply(&manifest::callees("v2", 1))?;
    stage.rolled_out("deployment/callee-v2")?;

    for (version, (old, new)) in VERSIONS.into_iter().zip([("v1", "v2"), ("v2", "v1"), ("v1", "v2")]) {
        let weigh = |canary: u64, experiment: u64| -> anyhow::Result<()> {
            let mut weights = vec![(CANARY, canary), (STABLE, 100 - canary - experiment)];
            if experiment > 0 {
                weights.insert(1, (EXPERIMENT, experiment));
            }
            let backends = backends(version, &weights);
            match server.split(version, NAME)? {
                // The stable Service is the root where no other is given.
                None => {
                    let owner = ("argoproj.io/v1alpha1", "Rollout");
                    server.create_split(version, &split(NAME, owner, STABLE, backends.clone()))?;
                }
                Some(_) => drop(server.patch_split(version, NAME, &json!({ "spec": { "backends": backends } }))?),
            }
            reads_back(&server, version, NAME, &backends)
        };
        weigh(0, 0)?;
        for service in [CANARY, EXPERIMENT] {
            server.switch(service, new, NAME)?;
        }
        weigh(5, 5)?;
        stage.programmed("trafficsplit/callee")?;
        let before = answers_of(&stage, new)?;
        weigh(50, 0)?;
        stage.programmed("trafficsplit/callee")?;
        if answers_of(&stage, new)? <= before {
            bail!("{version}: the canary has answered nothing");
        }
        if version == VERSIONS[0] {
            verified(&server)?;
        }
        weigh(100, 0)?;
        stage.programmed("trafficsplit/callee")?;
        // Kubernetes works out endpoints after a Service has changed; here some of them don't follow until they are told to.
        let late = server.list_late(STABLE, &stage.kubectl(&pod_of(old).each_ref().map(String::as_str))?)?;
        answers_of(&stage, old)?;
        // From here on everything is at the new version, whichever Service it goes by.
        let before = answers_of(&stage, old)?;
        server.switch(STABLE, new, NAME)?;
        weigh(0, 0)?;
        until("the split to wait for its endpoints", PATIENCE, || {
            let split = server.split("v1alpha4", NAME)?.context("no split")?;
            let programmed = condition(&split, "Programmed").context("no condition Programmed")?;
            let message = programmed.get("message").and_then(Value::as_str).unwrap_or_default();
            if message.contains("endpoints of Service load-argo/callee") { Ok(()) } else { bail!("{message}") }
        })?;
        server.delete(&late)?;
        stage.programmed("trafficsplit/callee")?;
        let after = answers_of(&stage, old)?;
        expect_eq(&format!("{version}: answers of {old}, which was replaced"), after, before)?;
    }
    stage.finish().map(drop)
}
