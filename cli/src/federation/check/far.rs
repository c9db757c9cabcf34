//! Steps that look at the far end: what a probe in a pod has seen, put into words.

use isthmus_core::{
    federation::{RemoteName, Token},
    id::ObjectName,
};
use isthmus_k8s::federation::{ClusterCatalog, HubRef, ImportedService};
use kube::ResourceExt;

use super::report::{Fault, Report, Stopped};
use crate::probe::{Dial, Kind, Seen};

/// What is spoken with a hub.
const HUB_ALPN: &str = "h2";
/// What is spoken between sidecars, for connections.
const MESH_ALPN: &str = "isthmus-tcp";

/// The steps towards one address.
pub(super) struct Steps {
    /// What is at the end: `the hub`, `gateway 100.64.1.10:15443`.
    pub(super) what: String,
    /// The remedies for a name, a connection, a handshake, and an identity.
    pub(super) remedies: [String; 4],
}

impl Steps {
    /// Records what was seen of each step.
    pub(super) fn record(&self, report: &mut Report, seen: Seen) -> Result<(), Stopped> {
        let [dns, tcp, tls, identity] = &self.remedies;
        for step in seen.steps {
            let (does, remedy) = match step.kind {
                Kind::Dns => ("has an address", dns),
                Kind::Tcp => ("takes connections", tcp),
                Kind::Tls => ("speaks TLS 1.3", tls),
                Kind::Identity | Kind::Answer => ("is who it should be", identity),
            };
            // What a good handshake says is in the words of the step.
            let said = |seen: String| if step.kind == Kind::Tls { String::new() } else { seen };
            let found = step.found.map(said).map_err(|why| Fault::new(why, remedy.clone()));
            report.step(&format!("{} {does}", self.what), found)?;
        }
        Ok(())
    }
}

/// To the hub.
pub(super) fn hub(hub: &HubRef, bundle: &str) -> (Dial, Steps) {
    let host = hub.address.rsplit_once(':').map_or(hub.address.as_str(), |(host, _)| host);
    let dial = Dial {
        address: hub.address.clone(),
        server_name: host.trim_matches(['[', ']']).to_owned(),
        alpn: HUB_ALPN.to_owned(),
        identities: vec![hub.identity.clone()],
        bundle: bundle.to_owned(),
    };
    let steps = Steps {
        what: "the hub".to_owned(),
        remedies: [
            format!(
                "spec.hub.address of the Mesh is {}: it must be a name that this cluster's DNS knows, or an address",
                hub.address
            ),
            "is the hub running, and does a firewall let this cluster's pods out to that port?".to_owned(),
            "something else listens there: compare spec.hub.address of the Mesh with the Service isthmus-hub"
                .to_owned(),
            format!(
                "whoever answers there isn't {}: compare spec.hub.identity of the Mesh with the hub's",
                hub.identity
            ),
        ],
    };
    (dial, steps)
}

/// Through a gateway to a pod of an imported service.
pub(super) fn endpoint(
    import: &ImportedService,
    catalog: &ClusterCatalog,
    gateway: &str,
    bundle: &str,
) -> Option<(Dial, Steps)> {
    let from = &import.spec.from;
    let namespace = from.namespace.clone().or_else(|| import.namespace())?;
    let service = from.service.clone().unwrap_or_else(|| import.name_any());
    let endpoint = catalog.endpoints.iter().find(|endpoint| !endpoint.ports.is_empty())?;
    let name = RemoteName {
        token: Some(endpoint.token.parse::<Token>().ok()?),
        port: *endpoint.ports.first()?,
        service: ObjectName::new(namespace, service),
        mesh: from.mesh.parse().ok()?,
    };
    let dial = Dial {
        address: gateway.to_owned(),
        server_name: name.to_string(),
        alpn: MESH_ALPN.to_owned(),
        identities: vec![endpoint.identity.clone()],
        bundle: bundle.to_owned(),
    };
    let mesh = &from.mesh;
    let steps = Steps {
        what: format!("gateway {gateway}, {}", import.name_any()),
        remedies: [
            "the address in the catalog can't be read: look at the Mesh's spec.gateways there".to_owned(),
            format!("is a gateway of {mesh} running, and does a firewall let connections through to that port?"),
            format!(
                "the gateway closed the connection: it has no such export, or can't reach the pod; look at its log in {mesh}"
            ),
            format!(
                "whoever answers isn't the pod that {mesh}'s catalog names: if it was replaced just now, try again"
            ),
        ],
    };
    Some((dial, steps))
}

#[cfg(test)]
mod tests;
