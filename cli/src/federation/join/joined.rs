//! What a join has established, as far as this side can tell.

use std::time::Duration;

use isthmus_federation::invitation::Terms;
use isthmus_k8s::federation::MeshPeer;
use serde::Serialize;

use crate::federation::waiting::Look;

/// A relation between two meshes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    pub(crate) mesh: String,
    pub(crate) peer: String,
    pub(crate) trust_domain: String,
    hub: String,
    bundle: String,
    sequence: u64,
    /// Own proxies that trust the peer, of all.
    pub(crate) trust_propagated: String,
    seconds: f64,
}

/// How far the join is.
pub(super) fn progress(peer: &MeshPeer) -> Look<MeshPeer> {
    let status = peer.status.clone().unwrap_or_default();
    for (kind, doing) in [
        ("Accepted", "the controller hasn't looked at the MeshPeer"),
        ("Connected", "the peer hasn't been heard of"),
        ("TrustPropagated", "no proxy has the peer's bundle yet"),
    ] {
        match status.conditions.iter().find(|condition| condition.type_ == kind) {
            Some(condition) if condition.status == "True" => {}
            Some(condition) => return Look::Because(format!("{kind}: {}", condition.message)),
            None => return Look::Because(doing.to_owned()),
        }
    }
    Look::Done(peer.clone())
}

impl Joined {
    pub(super) fn of(mesh: &str, terms: &Terms, peer: &MeshPeer, took: Duration) -> Self {
        let status = peer.status.clone().unwrap_or_default();
        let bundle = status.bundle.unwrap_or_default();
        Self {
            mesh: mesh.to_owned(),
            peer: terms.mesh.to_string(),
            trust_domain: terms.trust_domain.to_string(),
            hub: terms.hub.first().map(ToString::to_string).unwrap_or_default(),
            bundle: bundle.digest,
            sequence: bundle.sequence,
            trust_propagated: status.trust_propagated.unwrap_or_default(),
            seconds: took.as_secs_f64(),
        }
    }

    /// Own proxies, whether they trust the peer or not.
    #[cfg(feature = "local")]
    pub(crate) fn proxies(&self) -> &str {
        self.trust_propagated.split_once('/').map_or("", |(_, all)| all)
    }

    pub(super) fn text(&self) -> String {
        let Self { mesh, peer, trust_domain, hub, bundle, sequence, trust_propagated, seconds } = self;
        format!(
            "
{mesh} and {peer} are joined, after {seconds:.1} s.
  trust domain   {trust_domain}
  bundle         sequence {sequence}, {bundle}
  trusted by     {trust_propagated} proxies
  hub            {hub}

Nothing is shared yet: the one side exports, the other imports, and a TrafficTarget lets callers in.
  in {peer}   kubectl apply -f - <<< '{{apiVersion: federation.isthmus.mesh/v1alpha1, kind: ExportedService, metadata: {{name: SERVICE, namespace: NAMESPACE}}, spec: {{to: [{mesh}]}}}}'
  in {mesh}   kubectl apply -f - <<< '{{apiVersion: federation.isthmus.mesh/v1alpha1, kind: ImportedService, metadata: {{name: SERVICE-{peer}, namespace: NAMESPACE}}, spec: {{from: {{mesh: {peer}, service: SERVICE}}}}}}'
  then      isthmus federation status, isthmus federation check
"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn peer(conditions: &[(&str, &str)]) -> MeshPeer {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| json!({ "type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z" }))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "MeshPeer", "metadata": { "name": "east" },
            "spec": { "trustDomain": "east.local" }, "status": { "conditions": conditions }
        }))
        .unwrap()
    }

    #[test]
    fn a_join_is_done_when_every_proxy_trusts_the_peer() {
        let why = |peer: MeshPeer| match progress(&peer) {
            Look::Because(why) => why,
            Look::Done(_) => "done".to_owned(),
        };
        assert_eq!(why(peer(&[])), "the controller hasn't looked at the MeshPeer");
        assert_eq!(why(peer(&[("Accepted", "True")])), "the peer hasn't been heard of");
        assert_eq!(
            why(peer(&[("Accepted", "True"), ("Connected", "True"), ("TrustPropagated", "False")])),
            "TrustPropagated: m"
        );
        assert_eq!(why(peer(&[("Accepted", "True"), ("Connected", "True"), ("TrustPropagated", "True")])), "done");
    }
}
