//! Traces over the border, as a collector that isn't ours gets them: each request one tree, nothing lost, nothing twice.

mod manifest;
mod spans;

use std::thread;

use anyhow::{Context, anyhow, ensure};
use isthmus_tests::{
    http,
    kubectl::PortForward,
    left_out,
    meshes::{Mesh, Meshes},
    software,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use self::spans::{Span, tree};
use crate::{
    gateways,
    manifest::{EXPORT, IMPORT, catalog},
    pod::PORT,
    scene::{PATIENCE, Scene, pods, rolled_out_in},
};

/// Of all that belongs to this test, in both meshes.
const NAMESPACE: &str = "traced";
/// Calls at a time, and how often each is made.
const CALLERS: u32 = 4;
const TIMES: u32 = 15;
/// A trace that came in from elsewhere, by B3's header: its id, the caller's span, and that it is recorded.
const GIVEN: (&str, &str) = ("463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312");

/// By hand-over of `traceparent` in the front, these are the hops of a call: name of the span, who made it, and where.
const HOPS: &str = "\
GET traced/front, client, web, east.local
  GET traced/front, server, front, east.local
    GET traced/catalog-west, client, front, east.local
      GET traced/catalog, server, catalog, west.local
    GET traced/orders, client, front, east.local
      GET traced/orders, server, orders, east.local
";

pub(crate) fn one_tree_a_request(scene: &Scene) -> anyhow::Result<()> {
    if let Err(missing) = software::check_python() {
        left_out::say("a_request_over_two_meshes_is_one_tree_of_spans", &missing.why, &missing.remedy);
        return Ok(());
    }
    scene.shared()?;
    let Meshes { east, west, .. } = &scene.meshes;
    let collector = collector(west)?;
    set(east, west, &collector)?;
    let carried = || anyhow::Ok(gateways::connections(west)?.values().sum::<u64>());

    let web = east.kubectl.port_forward(NAMESPACE, "deployment/web", PORT)?;
    until("all hops to answer", PATIENCE, || call(&web, &json!({})))?;
    let told = west.kubectl.port_forward(NAMESPACE, "deployment/collector", PORT)?;
    let before = settled(scene, &told)?.len();
    thread::scope(|threads| {
        let calls = || (0..TIMES).try_for_each(|_| call(&web, &json!({})));
        let all: Vec<_> = (0..CALLERS).map(|_| threads.spawn(calls)).collect();
        all.into_iter().try_for_each(|each| each.join().map_err(|_| anyhow!("a caller has panicked"))?)
    })?;
    let (trace, parent) = GIVEN;
    call(&web, &json!({ "b3": format!("{trace}-{parent}-1") }))?;

    let hops = HOPS.lines().count();
    let calls = usize::try_from(CALLERS * TIMES)? + 1;
    let all = settled(scene, &told)?;
    let spans = all.get(before..).context("spans have been forgotten")?;
    expect_eq("spans", spans.len(), calls * hops)?;
    let mut ids: Vec<&str> = spans.iter().map(|span| &*span.id).collect();
    ids.sort_unstable();
    ids.dedup();
    expect_eq("their ids", ids.len(), spans.len())?;
    let mut traces: Vec<&str> = spans.iter().map(|span| &*span.trace).collect();
    traces.sort_unstable();
    traces.dedup();
    expect_eq("traces", traces.len(), calls)?;
    for id in traces {
        let root = if id == trace { parent } else { "" };
        expect_eq(id, tree(spans, id, root), HOPS.to_owned())?;
    }
    of_the_border(spans)?;
    ensure!(carried()? > 0, "west's gateways have carried nothing");
    println!("    {calls} calls: {calls} traces of {hops} spans each, {} spans in all", spans.len());
    for mesh in [east, west] {
        mesh.kubectl.run(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    }
    Ok(())
}

/// Makes `web` ask the front, which asks on in both meshes.
fn call(web: &PortForward, headers: &Value) -> anyhow::Result<()> {
    let ask = json!({ "url": "http://front/", "headers": headers }).to_string();
    let answer = http::send(web.port, http::with_body("POST", "/ask", ask))?;
    let answer: Value = serde_json::from_str(answer.body()).with_context(|| format!("{answer:?}"))?;
    let body: Value = serde_json::from_str(answer.pointer("/body").and_then(Value::as_str).unwrap_or_default())
        .with_context(|| answer.to_string())?;
    for part in ["catalog", "orders"] {
        expect_eq(&body.to_string(), body.pointer(&format!("/{part}/status")), Some(&json!(200)))?;
    }
    Ok(())
}

/// The collector in west, by the URL that pods of both meshes know.
fn collector(west: &Mesh) -> anyhow::Result<String> {
    west.kubectl.run(&["create", "namespace", NAMESPACE])?;
    west.kubectl.apply(NAMESPACE, &manifest::collector())?;
    rolled_out_in(west, NAMESPACE, "deployment/collector")?;
    until("an address for other clusters", PATIENCE, || {
        let service = west.kubectl.get(NAMESPACE, "service", "collector")?;
        let address = service.pointer("/status/loadBalancer/ingress/0/ip").and_then(Value::as_str);
        Ok(format!("http://{}:4317", address.context("none yet")?))
    })
}

/// The programs of both meshes.
fn set(east: &Mesh, west: &Mesh, collector: &str) -> anyhow::Result<()> {
    east.kubectl.run(&["create", "namespace", NAMESPACE])?;
    for mesh in [east, west] {
        mesh.kubectl.run(&["label", "namespace", NAMESPACE, "isthmus.mesh/inject=enabled"])?;
        mesh.kubectl.run(&["annotate", "namespace", NAMESPACE, "isthmus.mesh/trace-sampling=1"])?;
    }
    east.kubectl.run(&["annotate", "namespace", NAMESPACE, "isthmus.mesh/policy-mode=permissive"])?;
    west.kubectl.apply(NAMESPACE, &manifest::traced(&catalog("west", 2), collector))?;
    west.kubectl.apply(NAMESPACE, &(EXPORT.to_owned() + manifest::LET_IN))?;
    for program in ["web", "front", "orders", "store"] {
        east.kubectl.apply(NAMESPACE, &manifest::traced(&manifest::program(program), collector))?;
    }
    east.kubectl.apply(NAMESPACE, IMPORT)?;
    rolled_out_in(west, NAMESPACE, "deployment/catalog")?;
    ["web", "front", "orders", "store"]
        .into_iter()
        .try_for_each(|program| rolled_out_in(east, NAMESPACE, &format!("deployment/{program}")))
}

/// All spans, once the collector has as many as the sidecars say that they have sent, and they have no more to send.
fn settled(scene: &Scene, collector: &PortForward) -> anyhow::Result<Vec<Span>> {
    let Meshes { east, west, .. } = &scene.meshes;
    let sidecars = |label: &str| -> anyhow::Result<u64> {
        let mut sum = 0;
        for mesh in [east, west] {
            for pod in pods(mesh, NAMESPACE, "app,app!=collector")? {
                sum += gateways::sum(mesh, NAMESPACE, &pod, 15020, &format!("isthmus_trace_spans_total{{{label}"))?;
            }
        }
        Ok(sum)
    };
    let mut last = 0;
    until("spans to settle", PATIENCE, || {
        let spans = spans::read(collector)?;
        let (all, sent) = (sidecars("")?, sidecars("outcome=\"exported\"")?);
        let seen = u64::try_from(spans.len())?;
        expect_eq("spans that are told, sent and seen", [all, sent], [seen; 2])?;
        let rests = std::mem::replace(&mut last, seen) == seen && seen > 0;
        ensure!(rests, "{seen} spans, and more to come");
        Ok(spans)
    })
}

/// What the two spans at the border say of each other.
fn of_the_border(spans: &[Span]) -> anyhow::Result<()> {
    let says = |name: &str, kind: &str, attributes: &[(&str, &str)]| {
        let of = spans.iter().filter(|span| span.name == name && span.kind == kind);
        of.into_iter().try_for_each(|span| {
            attributes
                .iter()
                .try_for_each(|(key, value)| expect_eq(&format!("{name}, {kind}: {key}"), span.attribute(key), *value))
        })
    };
    let callee = [
        ("isthmus.backend", "traced/catalog-west"),
        ("isthmus.peer.mesh", "west.local"),
        ("isthmus.peer.workload", "Deployment/catalog"),
        ("http.response.status_code", "200"),
    ];
    says("GET traced/catalog-west", "client", &callee)?;
    let caller = [
        ("isthmus.grant", "traced/east"),
        ("isthmus.peer.mesh", "east.local"),
        ("isthmus.peer.id", "spiffe://east.local/ns/traced/sa/front"),
    ];
    says("GET traced/catalog", "server", &caller)
}
