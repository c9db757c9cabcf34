//! Every kind of patch in every version changes what it names, and nothing that its version can't say.

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, kubectl::Kubectl, wait::expect_eq};
use serde_json::{Value, json};

use super::{NAMESPACE, VERSIONS, at, get, resource, weights, wrapped};

pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let kubectl = &cluster.kubectl;
    for object in [split(), target(), group()] {
        kubectl.apply(NAMESPACE, &object.to_string())?;
    }
    for version in VERSIONS {
        of_split(kubectl, version).with_context(|| format!("the split in {version}"))?;
        of_target(kubectl, version).with_context(|| format!("the target in {version}"))?;
        of_group(kubectl, version).with_context(|| format!("the group in {version}"))?;
    }
    kubectl.run(&["delete", "-n", NAMESPACE, "trafficsplit,traffictarget,httproutegroup", "patched"])?;
    Ok(())
}

fn split() -> Value {
    json!({"apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit", "metadata": {"name": "patched"},
        "spec": {"service": "web", "matches": [{"kind": "HTTPRouteGroup", "name": "patched"}],
            "backends": [{"service": "web-1", "weight": 1}, {"service": "web-2", "weight": 2}]}})
}

/// With a port, which the later versions can't say.
fn target() -> Value {
    json!({"apiVersion": "access.smi-spec.io/v1alpha2", "kind": "TrafficTarget", "metadata": {"name": "patched"},
        "spec": {"destination": {"kind": "ServiceAccount", "name": "a", "port": 8080},
            "rules": [{"kind": "TCPRoute", "name": "r"}], "sources": [{"kind": "ServiceAccount", "name": "b"}]}})
}

/// With headers, which the first can't.
fn group() -> Value {
    json!({"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "HTTPRouteGroup", "metadata": {"name": "patched"},
        "spec": {"matches": [{"name": "m", "pathRegex": "/", "headers": {"user-agent": ".*Firefox.*"}}]}})
}

fn of_split(kubectl: &Kubectl, version: &str) -> anyhow::Result<()> {
    let weight = |thousandths: u32| match version {
        "v1alpha1" => json!(format!("{thousandths}m")),
        _ => json!(thousandths),
    };
    let spec = |first: u32, second: u32| {
        json!({"service": "web", "backends":
            [{"service": "web-1", "weight": weight(first)}, {"service": "web-2", "weight": weight(second)}]})
    };
    let holds = |asked: [u32; 2]| {
        let stored = get(kubectl, "trafficsplit", "v1alpha4", "patched")?;
        expect_eq("weights", weights(&stored), asked.map(Value::from).to_vec())?;
        expect_eq("matches", at(&stored, "/spec/matches"), at(&split(), "/spec/matches"))
    };
    patch(kubectl, "trafficsplit", version, "merge", json!({"spec": spec(10, 20)}))?;
    holds([10, 20])?;
    let op = json!([{"op": "replace", "path": "/spec/backends/1/weight", "value": weight(1500)}]);
    patch(kubectl, "trafficsplit", version, "json", op)?;
    holds([10, 1500])?;
    apply(kubectl, "trafficsplit", version, spec(7, 8))?;
    holds([7, 8])?;
    // As the API server has it for every custom resource.
    let resource = resource("trafficsplit", version);
    let strategic = ["patch", "-n", NAMESPACE, &resource, "patched", "--type=strategic", "-p", r#"{"spec":{}}"#];
    let refused = kubectl.try_run(&strategic, None)?;
    if refused.code == 0 || !refused.stderr.contains("application/merge-patch+json") {
        bail!("a strategic merge patch: exit {}, {}", refused.code, refused.stderr);
    }
    holds([7, 8])
}

fn of_target(kubectl: &Kubectl, version: &str) -> anyhow::Result<()> {
    let rules = if version == "v1alpha1" { "specs" } else { "rules" };
    let holds = |rule: &str, source: &str| {
        let stored = get(kubectl, "traffictarget", "v1alpha4", "patched")?;
        let names = ["/spec/rules/0/name", "/spec/sources/0/name"].map(|name| at(&stored, name).clone());
        expect_eq("names", names, [json!(rule), json!(source)])?;
        let old = get(kubectl, "traffictarget", "v1alpha1", "patched")?;
        expect_eq("the port", at(&old, "/destination/port"), &json!(8080))
    };
    let sources = json!({"sources": [{"kind": "ServiceAccount", "name": "merged"}]});
    patch(kubectl, "traffictarget", version, "merge", wrapped("traffictarget", version, sources))?;
    let path = if version == "v1alpha1" { "/specs/0/name" } else { "/spec/rules/0/name" };
    patch(kubectl, "traffictarget", version, "json", json!([{"op": "replace", "path": path, "value": version}]))?;
    holds(version, "merged")?;
    let spec = json!({"destination": {"kind": "ServiceAccount", "name": "a"},
        rules: [{"kind": "TCPRoute", "name": "applied"}], "sources": [{"kind": "ServiceAccount", "name": version}]});
    apply(kubectl, "traffictarget", version, spec)?;
    holds("applied", version)
}

fn of_group(kubectl: &Kubectl, version: &str) -> anyhow::Result<()> {
    let holds = |path: &str, methods: Value| {
        let stored = get(kubectl, "httproutegroup", "v1alpha4", "patched")?;
        let asked =
            json!([{"name": "m", "pathRegex": path, "methods": methods, "headers": {"user-agent": ".*Firefox.*"}}]);
        expect_eq("matches", at(&stored, "/spec/matches"), &asked)
    };
    let matches = |method: &str| {
        let entry = json!({"name": "m", "pathRegex": "/", "methods": [method]});
        let headers = json!({"headers": at(&group(), "/spec/matches/0/headers")});
        json!({"matches": [if version == "v1alpha1" { entry } else { with(entry, headers) }]})
    };
    patch(kubectl, "httproutegroup", version, "merge", wrapped("httproutegroup", version, matches("GET")))?;
    holds("/", json!(["GET"]))?;
    let path = if version <= "v1alpha2" { "/matches/0/pathRegex" } else { "/spec/matches/0/pathRegex" };
    let to = format!("/{version}");
    patch(kubectl, "httproutegroup", version, "json", json!([{"op": "replace", "path": path, "value": to}]))?;
    holds(&to, json!(["GET"]))?;
    apply(kubectl, "httproutegroup", version, matches("POST"))?;
    holds("/", json!(["POST"]))
}

fn patch(kubectl: &Kubectl, kind: &str, version: &str, how: &str, patch: Value) -> anyhow::Result<()> {
    let how = format!("--type={how}");
    kubectl.run(&["patch", "-n", NAMESPACE, &resource(kind, version), "patched", &how, "-p", &patch.to_string()])?;
    Ok(())
}

/// By server-side apply.
fn apply(kubectl: &Kubectl, kind: &str, version: &str, spec: Value) -> anyhow::Result<()> {
    let read = get(kubectl, kind, version, "patched")?;
    let head = json!({"apiVersion": at(&read, "/apiVersion"), "kind": at(&read, "/kind"),
        "metadata": {"name": "patched", "namespace": NAMESPACE}});
    let object = with(wrapped(kind, version, spec), head);
    let args = ["apply", "-f", "-", "--server-side", "--force-conflicts", "--field-manager=patches"];
    kubectl.run_with(&args, Some(&object.to_string()))?;
    Ok(())
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (object.as_object_mut(), more) {
        fields.extend(more);
    }
    object
}
