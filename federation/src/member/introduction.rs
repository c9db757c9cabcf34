//! Introductions: a joiner tells the inviter who it is, past a hub that would like to tell something else.

use std::time::SystemTime;

use isthmus_api::federation::v1 as proto;
use isthmus_identity::{BundleDigest, Chain, HeldBundle, SealFailed, Svid, TrustStore, confusable, trust_domain_fault};
use prost::Message;

use super::{event::Event, importer::Why, offer::Offer};
use crate::{
    catalog::wire as form,
    invitation::{Invitation, InvitationId},
    names::{Cluster, controller_id},
    wire::{self, INTRODUCTION},
};

/// Who joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) invitation: InvitationId,
    pub(crate) mesh: isthmus_core::federation::MeshName,
    pub(crate) cluster: Cluster,
    pub(crate) trust_domain: isthmus_core::id::TrustDomain,
    pub(crate) bundle: BundleDigest,
}

/// Makes the request to join: who this is, sealed by its controller, and vouched for by what only the inviter knows.
pub(crate) fn request(
    invitation: &Invitation,
    joiner: &Introduction,
    chain: &Chain,
    svid: &Svid,
) -> Result<proto::JoinRequest, SealFailed> {
    let payload = proto::Introduction {
        invitation: invitation.id.to_bytes().into(),
        mesh: joiner.mesh.to_string(),
        cluster: joiner.cluster.to_string(),
        trust_domain: joiner.trust_domain.to_string(),
        bundle: joiner.bundle.to_string(),
    }
    .encode_to_vec();
    let mac = invitation.peer_secret().mac(&payload);
    Ok(proto::JoinRequest {
        invitation: invitation.id.to_bytes().into(),
        hub_secret: invitation.hub_secret().expose().to_vec().into(),
        chain: wire::chain(chain),
        introduction: Some(wire::sealed(svid.seal(INTRODUCTION, payload)?)),
        mac: mac.into(),
    })
}

impl Introduction {
    /// Reads one. Nothing of it is verified yet.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, form::BadMessage> {
        let message =
            proto::Introduction::decode(payload).map_err(|error| form::BadMessage::Unreadable(error.to_string()))?;
        if let Some(fault) = trust_domain_fault(&message.trust_domain) {
            return Err(form::bad("trust_domain", &message.trust_domain, &fault));
        }
        Ok(Self {
            invitation: InvitationId::from_bytes(&message.invitation).ok_or(form::BadMessage::Missing("invitation"))?,
            mesh: form::parse("mesh", &message.mesh)?,
            cluster: form::parse("cluster", &message.cluster)?,
            trust_domain: form::trust_domain("trust_domain", &message.trust_domain)?,
            bundle: form::parse("bundle", &message.bundle)?,
        })
    }

    /// Is it sealed by the controller of the mesh that it names, by the bundle that it names? Gives the newest of the chain.
    pub(crate) fn verify(&self, chain: &Chain, sealed: proto::Sealed, wall: SystemTime) -> Result<HeldBundle, Why> {
        let held = HeldBundle::join(&self.trust_domain, self.bundle, chain, wall)?.held;
        let store = TrustStore::with(std::slice::from_ref(held.bundle()))?;
        wire::open(&wire::read_sealed(sealed), INTRODUCTION, &store, &controller_id(&self.trust_domain)?, wall)?;
        Ok(held)
    }
}

/// What the inviter makes of an introduction. `None`: of an invitation that it has no longer.
pub(super) fn verify(offer: &Offer, introduced: proto::Introduced, wall: SystemTime) -> Result<Option<Event>, Why> {
    let sealed = introduced.introduction.ok_or(form::BadMessage::Missing("introduction"))?;
    let introduction = Introduction::read(&sealed.payload)?;
    let Some(invitation) = offer.invitations.get(&introduction.invitation) else { return Ok(None) };
    if !invitation.peer_secret().verify(&sealed.payload, &introduced.mac) {
        return Err(
            "it isn't vouched for by the secret of the invitation: the hub has changed it, or made it up".into()
        );
    }
    if introduction.mesh == offer.mesh {
        return Err(format!("the joining mesh has this one's name, {}", offer.mesh).into());
    }
    if confusable(&introduction.trust_domain, &offer.trust_domain) {
        let (theirs, ours) = (&introduction.trust_domain, &offer.trust_domain);
        return Err(
            format!("trust domain {theirs} looks like this mesh's own, {ours}: the joiner needs another").into()
        );
    }
    introduction.verify(&wire::read_chain(introduced.chain)?, sealed, wall)?;
    Ok(Some(Event::Introduced {
        invitation: introduction.invitation,
        mesh: introduction.mesh,
        trust_domain: introduction.trust_domain,
        bundle: introduction.bundle,
    }))
}
