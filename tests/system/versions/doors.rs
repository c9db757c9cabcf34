//! What no version lets in, and what it lets in with a warning: in the words of the version that its author wrote.

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, kubectl::Kubectl, wait::until};

use super::{DEADLINE, NAMESPACE};

/// Group and version, kind, fields; and what is said of them.
type Row = (&'static str, &'static str, &'static str, &'static str);

const REFUSED: [Row; 19] = [
    (
        "split/v1alpha1",
        "TrafficSplit",
        "spec: { service: a, backends: [{ service: b, weight: much }] }",
        "spec.backends[0].weight",
    ),
    (
        "split/v1alpha1",
        "TrafficSplit",
        "spec: { service: a, backends: [{ service: b, weight: -5m }] }",
        "spec.backends[0].weight",
    ),
    (
        "split/v1alpha2",
        "TrafficSplit",
        "spec: { service: a, backends: [{ service: b, weight: -1 }] }",
        "spec.backends[0].weight",
    ),
    (
        "split/v1alpha3",
        "TrafficSplit",
        "spec: { service: a, backends: [{ service: b, weight: 0.5 }] }",
        "spec.backends[0].weight",
    ),
    ("split/v1alpha4", "TrafficSplit", "spec: { backends: [] }", "spec.service"),
    ("split/v1alpha1", "TrafficSplit", "spec: { service: a.other, backends: [] }", "NamespaceMismatch: spec.service"),
    (
        "access/v1alpha1",
        "TrafficTarget",
        "destination: { kind: ServiceAccount, name: a, port: 70000 }",
        "destination.port",
    ),
    (
        "access/v1alpha2",
        "TrafficTarget",
        "spec: { destination: { kind: ServiceAccount, name: a, port: 0 } }",
        "spec.destination.port",
    ),
    (
        "access/v1alpha3",
        "TrafficTarget",
        r#"spec: { destination: { kind: ServiceAccount, name: a, port: "9091" } }"#,
        "spec.destination.port",
    ),
    ("access/v1alpha1", "TrafficTarget", "specs: []", "destination"),
    ("access/v1alpha2", "TrafficTarget", "spec: { destination: { kind: Group, name: a } }", "spec.destination.kind"),
    (
        "access/v1alpha1",
        "TrafficTarget",
        "destination: { kind: ServiceAccount, name: a, namespace: other }",
        "NamespaceMismatch: destination.namespace",
    ),
    ("specs/v1alpha1", "HTTPRouteGroup", "matches: [{ name: m, methods: [get] }]", "matches[0].methods[0]"),
    (
        "specs/v1alpha3",
        "HTTPRouteGroup",
        "spec: { matches: [{ name: m, methods: [get] }] }",
        "spec.matches[0].methods[0]",
    ),
    ("specs/v1alpha2", "HTTPRouteGroup", r#"matches: [{ name: m, pathRegex: "/([" }]"#, "InvalidRegex: matches[0]"),
    ("specs/v1alpha4", "TCPRoute", "spec: { matches: { ports: [0] } }", "spec.matches.ports[0]"),
    ("specs/v1alpha4", "UDPRoute", "spec: { matches: { ports: [70000] } }", "spec.matches.ports[0]"),
    // Two examples of the specification that its own text or schema rules out.
    ("specs/v1alpha4", "HTTPRouteGroup", "matches: [{ name: m }]", "matches"),
    (
        "access/v1alpha4",
        "IdentityBinding",
        "spec: { schemes: { serviceAccount: a, podLabelSelector: { matchLabels: { app: a } } } }",
        "mutually exclusive",
    ),
];

const WARNED: [Row; 6] = [
    (
        "split/v1alpha1",
        "TrafficSplit",
        "spec: { service: a, backends: [{ service: a, weight: 1 }] }",
        "the split's own root",
    ),
    (
        "split/v1alpha4",
        "TrafficSplit",
        "spec: { service: a, backends: [{ service: a, weight: 1 }] }",
        "the split's own root",
    ),
    (
        "access/v1alpha1",
        "TrafficTarget",
        "destination: { kind: ServiceAccount, name: a }\nsources: []",
        "NothingGranted: specs is empty",
    ),
    (
        "access/v1alpha3",
        "TrafficTarget",
        "spec: { destination: { kind: ServiceAccount, name: a, port: 80 } }",
        "PortIgnored: spec.destination.port",
    ),
    ("specs/v1alpha2", "HTTPRouteGroup", "matches: [{ name: m }, { name: m }]", "DuplicateMatch: matches[1].name"),
    ("specs/v1alpha4", "UDPRoute", "spec: { matches: { ports: [53] } }", "NotEnforced: UDP"),
];

pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    for (rows, refused) in [(REFUSED.as_slice(), true), (WARNED.as_slice(), false)] {
        for (group, kind, fields, said) in rows {
            let (group, version) = group.split_once('/').context("no version")?;
            let yaml = format!(
                "apiVersion: {group}.smi-spec.io/{version}\nkind: {kind}\nmetadata: {{ name: door }}\n{fields}\n"
            );
            let args = ["apply", "-n", NAMESPACE, "-f", "-", "--dry-run=server"];
            let output = cluster.kubectl.try_run(&args, Some(&yaml))?;
            if (output.code != 0) != refused || !output.stderr.contains(said) {
                bail!("{yaml}asked for {said:?}, refused: {refused}; exit {}: {}", output.code, output.stderr);
            }
        }
    }
    datagrams(&cluster.kubectl)
}

/// A UDPRoute says of itself that nothing enforces it.
fn datagrams(kubectl: &Kubectl) -> anyhow::Result<()> {
    let yaml = "apiVersion: specs.smi-spec.io/v1alpha4\nkind: UDPRoute\nmetadata: { name: datagrams }\nspec: { matches: {} }\n";
    kubectl.apply(NAMESPACE, yaml)?;
    let reason = r#"jsonpath={.status.conditions[?(@.type=="Programmed")].reason}=NotEnforced"#;
    kubectl.run(&["wait", "-n", NAMESPACE, "udproute/datagrams", "--for", reason, "--timeout=30s"])?;
    until("the Event", DEADLINE, || {
        let events = kubectl.run(&["events", "-n", NAMESPACE, "--for=udproute/datagrams"])?;
        if events.contains("UDP isn't enforced yet") { Ok(()) } else { bail!("no such Event: {events}") }
    })?;
    kubectl.run(&["delete", "-n", NAMESPACE, "udproute", "datagrams"])?;
    Ok(())
}
