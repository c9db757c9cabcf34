//! The mesh's root is rotated: published, signed with, and the one before retired.

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{
    proxies,
    stage::{PATIENCE, Stage},
};

const NAMESPACE: &str = "isthmus-system";
/// The root that the mesh is to have.
const WANTED: &str = "isthmus-ca";
/// The roots in use.
const IN_USE: &str = "isthmus-trust";
/// The Events of a rotation, in their order.
const STEPS: [&str; 3] = ["RootPublished", "TrustPropagated", "RootRetired"];

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-root", 2, 1, &[])?;
    let proxies = proxies::all(&stage)?;
    let before = proxies.iter().map(|proxy| proxy.certificates()).collect::<anyhow::Result<Vec<_>>>()?;
    let old = certificate(cluster, WANTED, "tls.crt")?;
    expect_eq("the root in use", &certificate(cluster, IN_USE, "signer.crt")?, &old)?;

    cluster.kubectl.run(&["annotate", "-n", NAMESPACE, "secret", WANTED, "isthmus.mesh/rotate-root=now"])?;
    let told = until("every step of the rotation", PATIENCE, || {
        let told = steps(cluster)?;
        expect_eq("events", told.iter().map(|(reason, _)| reason.as_str()).collect(), STEPS.to_vec())?;
        Ok(told)
    })?;
    for (reason, message) in &told {
        println!("    {reason}: {message}");
    }
    let new = certificate(cluster, WANTED, "tls.crt")?;
    if new == old {
        bail!("{WANTED} has no new root");
    }
    expect_eq("the root in use", &certificate(cluster, IN_USE, "signer.crt")?, &new)?;
    expect_eq("the other root in use", certificate(cluster, IN_USE, "other.crt")?, String::new())?;

    // Who trusts the new root alone accepts leaves of it alone.
    for (proxy, before) in proxies.iter().zip(before) {
        until(&format!("{} to trust the new root alone", proxy.pod), PATIENCE, || {
            let roots = proxy.roots()?;
            if !roots.ends_with(&new) || roots.matches("BEGIN CERTIFICATE").count() != 1 {
                bail!("it trusts:\n{roots}and the new root is\n{new}");
            }
            Ok(())
        })?;
        if proxy.certificates()? <= before {
            bail!("{} has had no new certificate", proxy.pod);
        }
    }
    // A callee that has nobody's connection yet: its callers shake hands with it.
    let known = stage.answers("hosts")?;
    stage.kubectl(&["scale", "deployment/callee-v1", "--replicas=3"])?;
    stage.rolled_out("deployment/callee-v1")?;
    until("answers of a callee that is new", PATIENCE, || {
        let hosts = stage.answers("hosts")?;
        if hosts.len() > known.len() { Ok(()) } else { bail!("only these answer: {hosts:?}") }
    })?;
    stage.go_on()?;
    for proxy in &proxies {
        proxy.expect_no_failed_handshake()?;
    }
    stage.finish().map(drop)
}

/// An entry of a Secret as text; empty if there is none.
fn certificate(cluster: &Cluster, secret: &str, entry: &str) -> anyhow::Result<String> {
    let template = format!("go-template={{{{with index .data {entry:?}}}}}{{{{base64decode .}}}}{{{{end}}}}");
    cluster.kubectl.run(&["get", "-n", NAMESPACE, "secret", secret, "-o", &template])
}

/// Reason and message of the Events of the wanted root, in the order in which they were raised.
fn steps(cluster: &Cluster) -> anyhow::Result<Vec<(String, String)>> {
    let select = format!("--field-selector=involvedObject.name={WANTED}");
    let events = cluster.kubectl.run(&["get", "events", "-n", NAMESPACE, &select, "-o", "json"])?;
    let events: Value = serde_json::from_str(&events)?;
    let mut events = events.get("items").and_then(Value::as_array).cloned().context("no events")?;
    let version =
        |event: &Value| event.pointer("/metadata/resourceVersion").and_then(Value::as_str)?.parse::<u64>().ok();
    events.sort_by_key(version);
    let text = |event: &Value, key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(events.iter().map(|event| (text(event, "reason"), text(event, "message"))).collect())
}
