//! May this mesh take the invitation up? Decided before anything is written.

use anyhow::bail;
use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_federation::invitation::Terms;
use isthmus_identity::{confusable, trust_domain_fault};
use isthmus_k8s::federation::{Mesh, MeshPeer, invitation::State};
use kube::ResourceExt;

/// `invitation` is the name of its Secret: whoever tries the same one again may go on.
pub(super) fn may_join(
    mesh: &MeshName,
    trust_domain: &TrustDomain,
    own: Option<&Mesh>,
    peers: &[MeshPeer],
    invitation: &str,
    terms: &Terms,
) -> anyhow::Result<()> {
    if terms.mesh == *mesh {
        bail!(
            "the invitation is of {mesh} itself: join on the other side, whose cluster another --context or --kubeconfig names"
        );
    }
    if terms.trust_domain == *trust_domain {
        bail!(
            "mesh {} has the trust domain of this one, {trust_domain}: meshes that are joined need different ones; install one of them anew with another",
            terms.mesh
        );
    }
    if let Some(fault) = trust_domain_fault(terms.trust_domain.as_str()) {
        bail!("trust domain {:?} of mesh {}: {fault}", terms.trust_domain.as_str(), terms.mesh);
    }
    let known =
        peers.iter().filter(|peer| peer.name_any() != terms.mesh.as_str()).map(|peer| peer.spec.trust_domain.as_str());
    for known in std::iter::once(trust_domain.as_str()).chain(known) {
        if TrustDomain::new(known).is_ok_and(|known| confusable(&known, &terms.trust_domain)) {
            bail!(
                "trust domain {} of mesh {} can be mistaken for {known}, which this mesh has or trusts already: one of them needs another name",
                terms.trust_domain,
                terms.mesh
            );
        }
    }
    let hub = own.and_then(|own| own.spec.hub.as_ref());
    if let Some(hub) = hub.filter(|hub| hub.identity != terms.hub_identity.to_string()) {
        bail!(
            "this mesh is a member of the hub {} ({}) already, and the invitation is to {}: a mesh has one hub; have it invited through that one",
            hub.address,
            hub.identity,
            terms.hub_identity
        );
    }
    match peers.iter().find(|peer| peer.name_any() == terms.mesh.as_str()) {
        Some(peer) if peer.spec.invitation.as_deref() != Some(invitation) => {
            bail!(
                "this mesh is joined with {0} already; `isthmus federation revoke {0}` first, to join it anew",
                terms.mesh
            )
        }
        _ => Ok(()),
    }
}

/// Has the invitation been taken up here before, and come to its end? `state` is what its Secret says. Whose relation still stands may
/// look at it again.
pub(super) fn is_unused(state: Option<State>, peers: &[MeshPeer], terms: &Terms) -> anyhow::Result<()> {
    let stands = peers.iter().any(|peer| peer.name_any() == terms.mesh.as_str());
    let end = match state {
        Some(State::Used) if !stands => "was used here already, and the relation has ended since",
        Some(State::Refused) => "was refused when it was taken up here",
        Some(State::Expired) => "has expired since it was taken up here",
        _ => return Ok(()),
    };
    bail!("the invitation {end}; have mesh {} make a new one", terms.mesh)
}

#[cfg(test)]
mod tests;
