//! The meshes that a run is about: the one under test, and its peer, if one is named.

use anyhow::{Context, bail};
use isthmus_conformance::{
    meshes::{Meshes, Names, Parties},
    profile::Profile,
    run::KNOWN_IDENTITIES,
};
use isthmus_k8s::federation::{MeshPeer, MeshPeerStatus};

use crate::{
    args::Usage,
    federation::{PeerArgs, Side, Target},
};

/// The feature of meshes that can be joined.
const FEDERATION: &str = "federation";

/// Both must be joined with each other before anything is tried on them.
pub(super) async fn meshes(target: &Target, peer: &PeerArgs, profile: &Profile) -> anyhow::Result<Meshes> {
    let has = |feature: &str| profile.features.contains(feature);
    let Some(peer) = peer.target(target) else {
        let own = target.cluster.impatient_client().await?;
        // Whoever has the control plane elsewhere can try all cases but those that name identities.
        let side = if has(KNOWN_IDENTITIES) { target.side().await.ok() } else { None };
        let own_names = side.as_ref().map(names);
        return Ok(Meshes { own, peer: None, parties: Parties { own: own_names, peer: None } });
    };
    if !has(FEDERATION) {
        let title = &profile.title;
        return Err(
            Usage(anyhow::anyhow!("--peer-kubeconfig: the profile of {title} has no feature {FEDERATION}")).into()
        );
    }
    let here = target.side().await?;
    let there = peer.side().await.context("--peer-kubeconfig")?;
    for (one, other) in [(&here, &there), (&there, &here)] {
        let peer = one.all::<MeshPeer>().get_opt(other.mesh.as_str()).await;
        let peer = peer.with_context(|| format!("asking mesh {} for its peers", one.mesh))?;
        knows(&names(one), &names(other), peer.as_ref())?;
    }
    let parties = Parties { own: Some(names(&here)), peer: Some(names(&there)) };
    // What a mesh answers is what a case is about: nothing is asked again behind its back.
    let peer = Some(peer.cluster.impatient_client().await?);
    Ok(Meshes { own: target.cluster.impatient_client().await?, peer, parties })
}

fn names(side: &Side) -> Names {
    Names { mesh: side.mesh.to_string(), trust_domain: side.trust_domain.to_string() }
}

/// Has a mesh the other one as its peer, and is it in touch with it?
fn knows(one: &Names, other: &Names, peer: Option<&MeshPeer>) -> anyhow::Result<()> {
    let (here, there) = (&one.mesh, &other.mesh);
    if here == there {
        bail!("--peer-kubeconfig: both clusters are of mesh {here}; name a cluster of another mesh");
    }
    let Some(peer) = peer else {
        bail!(
            "mesh {here} has no MeshPeer {there}: join them first, by `isthmus federation invite --to {there}` in the one and \
             `isthmus federation join` in the other"
        );
    };
    if peer.spec.trust_domain != other.trust_domain {
        bail!(
            "MeshPeer {there} of mesh {here} is of trust domain {}, and the peer's cluster of {}: it isn't the mesh that {here} is \
             joined with; name that one's cluster",
            peer.spec.trust_domain,
            other.trust_domain
        );
    }
    if let Err(why) = connected(peer.status.as_ref()) {
        bail!(
            "MeshPeer {there} of mesh {here} isn't connected: {why}; `isthmus federation check {there}` says what to do"
        );
    }
    Ok(())
}

fn connected(status: Option<&MeshPeerStatus>) -> Result<(), String> {
    let conditions = status.into_iter().flat_map(|status| &status.conditions);
    match conditions.into_iter().find(|condition| condition.type_ == "Connected") {
        Some(condition) if condition.status == "True" => Ok(()),
        Some(condition) => Err(condition.message.clone()),
        None => Err("its status says nothing of it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mesh(name: &str) -> Names {
        Names { mesh: name.to_owned(), trust_domain: format!("{name}.local") }
    }

    fn peer(domain: &str, connected: &str) -> MeshPeer {
        let condition = json!({
            "type": "Connected", "status": connected, "reason": "Lost", "message": "the hub is away",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(json!({
            "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "MeshPeer", "metadata": { "name": "west" },
            "spec": { "trustDomain": domain }, "status": { "conditions": [condition] },
        }))
        .unwrap()
    }

    #[test]
    fn only_another_mesh_that_is_connected_is_a_peer() {
        let (east, west) = (mesh("east"), mesh("west"));
        let why = |peer: Option<&MeshPeer>| knows(&east, &west, peer).unwrap_err().to_string();
        assert!(knows(&east, &west, Some(&peer("west.local", "True"))).is_ok());
        assert!(knows(&east, &east, None).unwrap_err().to_string().contains("both clusters are of mesh east"));
        assert!(why(None).contains("has no MeshPeer west"));
        assert!(why(Some(&peer("other.local", "True"))).contains("trust domain other.local"));
        assert!(why(Some(&peer("west.local", "False"))).contains("isn't connected: the hub is away"));
    }
}
