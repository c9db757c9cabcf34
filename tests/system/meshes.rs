//! Several meshes of one process: how they start, what they have, and how each ends.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    kubectl::{self, Kubectl},
    wait::{expect_eq, until},
};
use serde_json::Value;

const GROUP: &str = "system-meshes";
const PATIENCE: Duration = Duration::from_secs(60);

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![("meshes_start_joined_and_end_alone_or_together", joined as super::Body)]
}

/// Ends what is left of the group.
struct Down<'a>(&'a Cluster);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        // Where the test came to its end there is nothing left, and it says so.
        let _ = self.0.isthmus().args(["down", "--name", GROUP]).output();
    }
}

fn run(cluster: &Cluster, args: &[&str]) -> anyhow::Result<String> {
    let output = cluster.isthmus().args(args).output()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("isthmus {} exited {}:\n{out}{err}", args.join(" "), output.status);
    }
    Ok(out.into_owned())
}

/// The group's clusters, as `isthmus status` lists them.
fn status(cluster: &Cluster) -> anyhow::Result<Vec<Value>> {
    let all: Vec<Value> = serde_json::from_str(&run(cluster, &["status", "-o", "json"])?)?;
    Ok(all.into_iter().filter(|row| text(row, "/group") == Some(GROUP)).collect())
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn kubectl_of(cluster: &Cluster, row: &Value) -> anyhow::Result<Kubectl> {
    let (name, kubeconfig) =
        (text(row, "/name").context("no name")?, text(row, "/kubeconfig").context("no kubeconfig")?);
    let program = kubectl::find().map_err(anyhow::Error::msg)?;
    let cache = cluster.state().join(format!("kubectl-cache-{name}"));
    Ok(Kubectl::new(program, Path::new(kubeconfig).to_owned(), cache))
}

fn joined(cluster: &Cluster) -> anyhow::Result<()> {
    let _down = Down(cluster);
    run(cluster, &["up", "--meshes", "sys-east,sys-west", "--name", GROUP, "--detach"])?;
    let rows = status(cluster)?;
    for (row, peer) in rows.iter().zip(["sys-west", "sys-east"]) {
        let object = kubectl_of(cluster, row)?.get("default", "meshpeer", peer)?;
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array).context("no conditions")?;
        let connected = conditions.iter().find(|condition| text(condition, "/type") == Some("Connected"));
        expect_eq(peer, connected.and_then(|condition| text(condition, "/status")), Some("True"))?;
    }
    let names: Vec<_> = rows.iter().filter_map(|row| text(row, "/name")).collect();
    expect_eq("clusters", names, vec!["sys-east", "sys-west"])?;
    let [east, west] = &rows[..] else { bail!("{rows:?}") };
    expect_eq("one process", east.get("pid"), west.get("pid"))?;
    let wanted = |row: &Value, part: &str| row.pointer(&format!("/mesh/{part}/wanted")).and_then(Value::as_i64);
    expect_eq("hubs", (wanted(east, "hub"), wanted(west, "hub")), (Some(1), None))?;
    expect_eq("gateways", (wanted(east, "gateways"), wanted(west, "gateways")), (Some(2), Some(2)))?;

    let address = |kubectl: &Kubectl, name: &str| -> anyhow::Result<String> {
        let service = kubectl.get("isthmus-system", "service", name)?;
        let ip = text(&service, "/status/loadBalancer/ingress/0/ip");
        Ok(ip.with_context(|| format!("Service {name} has no address"))?.to_owned())
    };
    let (in_east, in_west) = (kubectl_of(cluster, east)?, kubectl_of(cluster, west)?);
    let hub = format!("{}:15030", address(&in_east, "isthmus-hub")?);
    for (kubectl, mesh, range) in [(&in_east, "sys-east", "100.64.0."), (&in_west, "sys-west", "100.64.1.")] {
        let gateway = address(kubectl, "isthmus-gateway")?;
        expect_eq("gateway's range", gateway.starts_with(range), true)?;
        let object = kubectl.get("default", "mesh", mesh)?;
        expect_eq("trust domain", text(&object, "/spec/trustDomain"), Some(&*format!("{mesh}.local")))?;
        expect_eq("hub", text(&object, "/spec/hub/address"), Some(&*hub))?;
        let identity = "spiffe://sys-east.local/ns/isthmus-system/sa/isthmus-hub";
        expect_eq("hub's identity", text(&object, "/spec/hub/identity"), Some(identity))?;
    }

    let faults = r#"[{"cluster":"sys-west","port":15443}]"#;
    let literal = format!("--from-literal=faults={faults}");
    in_east.run(&["create", "configmap", "isthmus-links", "-n", "kube-system", &literal])?;
    until("the link to be cut", PATIENCE, || {
        let map = in_east.get("kube-system", "configmap", "isthmus-links")?;
        expect_eq("in effect", text(&map, "/metadata/annotations/isthmus-local~1in-effect"), Some(faults))
    })?;

    run(cluster, &["down", "--name", "sys-west"])?;
    let rows = status(cluster)?;
    let left: Vec<_> = rows.iter().map(|row| (text(row, "/name"), text(row, "/state"))).collect();
    expect_eq("the other goes on", left, vec![(Some("sys-east"), Some("Running"))])?;
    in_east.run(&["get", "pods", "-A"])?;
    run(cluster, &["down", "--name", GROUP])?;
    expect_eq("all have ended", status(cluster)?.len(), 0)
}
