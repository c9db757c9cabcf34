//! What has no kind here: each is named, with what to do instead.

use serde_json::Value;

use crate::{fields::Blame, input::Document, origin::keys, outcome::Outcome};

/// Groups of Kubernetes itself, and of those who run workloads: no mesh is spoken of in them.
const PLAIN: [&str; 6] = ["", "apps", "batch", "autoscaling", "policy", "extensions"];

/// Tells of an object that isn't translated, or passes over one that needn't be.
pub(crate) fn judge(document: &Document, outcome: &mut Outcome) -> Result<Vec<Value>, Blame> {
    let (group, kind) = (document.group(), document.kind());
    match (group, kind) {
        ("config.openservicemesh.io", "MeshConfig") => {
            mesh_config(document, outcome);
            return Ok(Vec::new());
        }
        _ if PLAIN.contains(&group) || (group.ends_with(".k8s.io") && group != "gateway.networking.k8s.io") => {
            outcome.unchanged.push(document.title());
            return Ok(Vec::new());
        }
        _ => {}
    }
    let (why, remedy) = known(group, kind).unwrap_or((
        "objects of this kind aren't read",
        "look what it is for; SMI, Linkerd, OSM, Traefik Mesh and Gateway API are read",
    ));
    Err(Blame::new("", why, remedy))
}

fn known(group: &str, kind: &str) -> Option<(&'static str, &'static str)> {
    Some(match (group, kind) {
        ("policy.openservicemesh.io", "IngressBackend") => (
            "who calls from outside the mesh has no kind of its own",
            "open the port by the pod annotation isthmus.mesh/plaintext-ports, or let the ingress have a sidecar and name it in a TrafficTarget",
        ),
        ("policy.openservicemesh.io", "Egress") => {
            ("calls that leave the mesh aren't restricted by it", "restrict them by a NetworkPolicy")
        }
        ("policy.openservicemesh.io", "Retry") => {
            ("only what no application has seen is sent again", "let the client retry")
        }
        ("policy.openservicemesh.io", "UpstreamTrafficSetting") => (
            "limits and circuit breaking aren't set by Service; endpoints that fail are ejected by themselves",
            "see docs/limits.md",
        ),
        ("policy.openservicemesh.io", "Telemetry") => {
            ("telemetry is set by annotations", "see docs/smi.md, isthmus.mesh/access-log and the others")
        }
        ("config.openservicemesh.io", "MeshRootCertificate") => {
            ("the mesh makes and rotates its own root", "see docs/security.md")
        }
        ("config.openservicemesh.io", "MultiClusterService") | ("multicluster.linkerd.io" | "flagger.app", "Link") => {
            ("clusters are joined by federation", "isthmus federation invite; see docs/federation.md")
        }
        ("config.openservicemesh.io", _) => ("extensions of Envoy have no counterpart", "look what it is for"),
        (
            "policy.linkerd.io",
            "Server"
            | "ServerAuthorization"
            | "AuthorizationPolicy"
            | "MeshTLSAuthentication"
            | "NetworkAuthentication",
        ) => (
            "Linkerd names servers by pod labels and ports, and clients by identity names; a TrafficTarget names ServiceAccounts",
            "write a TrafficTarget for the ServiceAccount of the server's pods, with a TCPRoute for its port; until then nothing is allowed",
        ),
        ("policy.linkerd.io", _) => ("Linkerd's policy has no counterpart for this", "look what it is for"),
        ("gateway.networking.k8s.io", "GRPCRoute") => {
            ("only HTTPRoutes are read", "write it as HTTPRoute: path /package.Service/Method, method POST")
        }
        ("gateway.networking.k8s.io", "TCPRoute" | "TLSRoute" | "UDPRoute") => {
            ("only HTTPRoutes are read", "a TrafficSplit without matches divides TCP connections too")
        }
        ("gateway.networking.k8s.io", "Gateway" | "GatewayClass") => (
            "an ingress is not a part of this mesh",
            "let the ingress that you have be a client of the mesh, with a sidecar",
        ),
        ("gateway.networking.k8s.io", "ReferenceGrant") => {
            ("a split's backends are of its own namespace", "export and import the Service: see docs/federation.md")
        }
        _ => return None,
    })
}

/// Every setting by its own name: each is somebody's decision.
fn mesh_config(document: &Document, outcome: &mut Outcome) {
    let mut leaves = Vec::new();
    collect("spec", document.value.get("spec").unwrap_or(&Value::Null), &mut leaves);
    for (field, value) in leaves {
        let (why, remedy) = match field.as_str() {
            "spec.traffic.enablePermissiveTrafficPolicyMode" if *value == Value::Bool(true) => (
                "OSM lets everything through and ignores TrafficTargets; here they are enforced",
                "until the targets are complete: kubectl annotate namespace <namespace> isthmus.mesh/policy-mode=permissive, or audit, which also tells what would be denied",
            ),
            "spec.traffic.enablePermissiveTrafficPolicyMode" => {
                outcome.note(document, field, "denied by default, here as there", "nothing");
                continue;
            }
            "spec.traffic.enableEgress" => (
                "calls that leave the mesh aren't restricted by it",
                "restrict them by a NetworkPolicy, where it was false",
            ),
            f if f.contains("inboundPortExclusionList") => {
                ("ports that bypass the sidecar are set by pod", "the pod annotation isthmus.mesh/skip-inbound-ports")
            }
            f if f.contains("outboundPortExclusionList") => {
                ("ports that bypass the sidecar are set by pod", "the pod annotation isthmus.mesh/skip-outbound-ports")
            }
            f if f.starts_with("spec.observability.tracing") => {
                ("tracing is set otherwise", "the annotation isthmus.mesh/trace-sampling; see docs/smi.md")
            }
            _ => ("a setting of OSM's own", "look what it was set for"),
        };
        outcome.part(document, field, why, remedy);
    }
}

fn collect<'v>(path: &str, value: &'v Value, leaves: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| collect(&format!("{path}.{key}"), value, leaves)),
        Value::Null => {}
        Value::Array(list) if list.is_empty() => {}
        _ => leaves.push((path.to_owned(), value)),
    }
}

/// Labels and annotations that speak to another mesh.
pub(crate) fn annotations(document: &Document, outcome: &mut Outcome) {
    for (place, key, value) in keys(&document.value) {
        let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
        let foreign = ["linkerd.io", "openservicemesh.io", "mesh.traefik.io", "maesh.containo.us"];
        if !foreign.iter().any(|f| prefix == *f || prefix.strip_suffix(f).is_some_and(|rest| rest.ends_with('.'))) {
            continue;
        }
        let field = format!("{place}[{key}]");
        let inject = match (key.as_str(), value.as_str()) {
            ("linkerd.io/inject" | "openservicemesh.io/sidecar-injection", "enabled" | "yes" | "true" | "ingress") => {
                "enabled"
            }
            ("openservicemesh.io/monitored-by", _) => "enabled",
            ("linkerd.io/inject" | "openservicemesh.io/sidecar-injection", _) => "disabled",
            _ => {
                let why = format!("{value:?} is said to another mesh");
                outcome.part(
                    document,
                    field,
                    &why,
                    "look for its counterpart in docs/smi.md, under «Into and out of the mesh»",
                );
                continue;
            }
        };
        let remedy = format!("the label isthmus.mesh/inject={inject} in its place");
        outcome.part(document, field, "injection is asked for by a label of this mesh", &remedy);
    }
}
