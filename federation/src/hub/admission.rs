//! Who may be a member: a mesh's name, its trust domain and its roots are bound to each other when it joins, and stay so.

use std::time::{Duration, SystemTime};

use isthmus_api::federation::v1 as proto;
use isthmus_core::{
    federation::MeshName,
    id::{SpiffeId, TrustDomain},
};
use isthmus_identity::{Chain, HeldBundle, confusable};

use super::state::{MemberRecord, State, Stored};
use crate::{
    catalog::wire::{self as form, BadMessage},
    invitation::{InvitationId, NotRedeemed, Record, Redeemed},
    limits::{MAX_CLUSTERS, MAX_MESHES},
    member::Introduction,
    names::{Cluster, controller_id},
    wire,
};

/// Why a mesh, or a session, isn't admitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// The request can't be read.
    #[error(transparent)]
    Message(#[from] BadMessage),
    /// The invitation isn't good.
    #[error(transparent)]
    Invitation(#[from] NotRedeemed),
    /// The introduction is of another invitation.
    #[error("the introduction is of another invitation")]
    OtherInvitation,
    /// Another mesh has the name.
    #[error(
        "there is a mesh {mesh} already, of trust domain {holder}: a mesh keeps its name; choose another for this one"
    )]
    NameTaken {
        /// The name.
        mesh: MeshName,
        /// Whose it is.
        holder: TrustDomain,
    },
    /// Another mesh has the trust domain, or one that people would take for it.
    #[error("trust domain {domain} is, or looks like, {holder} of mesh {mesh}: choose one that nobody can mistake")]
    Confusable {
        /// The joiner's.
        domain: TrustDomain,
        /// The other's.
        holder: TrustDomain,
        /// The other mesh.
        mesh: MeshName,
    },
    /// The joiner couldn't show that it is the mesh's controller.
    #[error("the joiner isn't the controller of the mesh that it names: {0}")]
    Unproved(String),
    /// There are too many.
    #[error("the hub has {MAX_MESHES} meshes, the most that it takes")]
    Full,
    /// No mesh of that name has joined.
    #[error("mesh {0} hasn't joined this hub: use an invitation")]
    Unknown(MeshName),
    /// The mesh begins sessions too often.
    #[error("mesh {mesh} begins sessions too often; try again in {} s", .wait.as_secs().saturating_add(1))]
    TooOften {
        /// Which.
        mesh: MeshName,
        /// How long until it may.
        wait: Duration,
    },
    /// The mesh has too many clusters.
    #[error("mesh {0} has {MAX_CLUSTERS} clusters here, the most that it may")]
    TooManyClusters(MeshName),
    /// The session is another mesh's.
    #[error("{identity} doesn't speak for mesh {mesh}, whose controller is {controller}")]
    Impostor {
        /// Who talks.
        identity: SpiffeId,
        /// For whom it would.
        mesh: MeshName,
        /// Who does.
        controller: String,
    },
}

/// What is to be kept, and then done, to admit a mesh.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The mesh.
    pub member: MemberRecord,
    /// The invitation, used.
    pub invitation: Stored,
    /// Which.
    pub id: InvitationId,
    /// The mesh has used it before; nothing of it is to be kept.
    pub again: bool,
}

impl State {
    /// May this mesh join? Nothing changes.
    pub fn consider(&self, request: proto::JoinRequest, now: SystemTime) -> Result<Admission, NotAdmitted> {
        let id = InvitationId::from_bytes(&request.invitation).ok_or(BadMessage::Missing("invitation"))?;
        let sealed = request.introduction.ok_or(BadMessage::Missing("introduction"))?;
        let joiner = Introduction::read(&sealed.payload)?;
        // The invitation first: who has none learns nothing of who is here.
        let stored = self.invitation(id).ok_or(NotRedeemed::Unknown)?;
        let redeemed = stored.record.redeem(&request.hub_secret, &joiner.mesh, now)?;
        if joiner.invitation != id {
            return Err(NotAdmitted::OtherInvitation);
        }
        self.check_name(&joiner.mesh, &joiner.trust_domain)?;
        let chain = wire::read_chain(request.chain.clone()).map_err(|why| NotAdmitted::Unproved(why.to_string()))?;
        let newest =
            joiner.verify(&chain, sealed.clone(), now).map_err(|why| NotAdmitted::Unproved(why.to_string()))?;
        let held = match self.member(&joiner.mesh) {
            // Its roots can't be others than those that lead here from the ones it joined with.
            Some(before) => follow(&before, &chain, &newest, now)?,
            None => newest,
        };
        let member = MemberRecord { mesh: joiner.mesh, trust_domain: joiner.trust_domain, held: Some(held), chain };
        let introduced = proto::Introduced { chain: request.chain, introduction: Some(sealed), mac: request.mac };
        let (record, again) = match redeemed {
            Redeemed::Now(record) => (record, false),
            Redeemed::Again => (stored.record.clone(), true),
        };
        Ok(Admission { member, invitation: Stored { record, introduced: Some(introduced) }, id, again })
    }

    fn check_name(&self, mesh: &MeshName, domain: &TrustDomain) -> Result<(), NotAdmitted> {
        let members = self.members();
        if members.len() >= MAX_MESHES && !members.contains_key(mesh) {
            return Err(NotAdmitted::Full);
        }
        for (name, holder) in members {
            if name == *mesh && holder != *domain {
                return Err(NotAdmitted::NameTaken { mesh: name, holder });
            }
            if name != *mesh && (holder == *domain || confusable(&holder, domain)) {
                return Err(NotAdmitted::Confusable { domain: domain.clone(), holder, mesh: name });
            }
        }
        Ok(())
    }

    /// May who has this identity hold a session as it says?
    pub fn admit(&self, identity: &SpiffeId, hello: &proto::Hello) -> Result<(MeshName, Cluster), NotAdmitted> {
        let mesh: MeshName = form::parse("hello.mesh", &hello.mesh)?;
        let cluster = form::parse("hello.cluster", &hello.cluster)?;
        let member = self.member(&mesh).ok_or_else(|| NotAdmitted::Unknown(mesh.clone()))?;
        let controller = controller_id(&member.trust_domain);
        if hello.trust_domain != member.trust_domain.as_str() {
            return Err(NotAdmitted::NameTaken { mesh, holder: member.trust_domain });
        }
        match controller {
            Ok(controller) if controller == *identity && !self.has_room(&mesh, &cluster) => {
                Err(NotAdmitted::TooManyClusters(mesh))
            }
            Ok(controller) if controller == *identity => Ok((mesh, cluster)),
            other => {
                let controller = other.map_or_else(|error| error.to_string(), |id| id.to_string());
                Err(NotAdmitted::Impostor { identity: identity.clone(), mesh, controller })
            }
        }
    }
}

fn follow(
    before: &MemberRecord,
    chain: &Chain,
    newest: &HeldBundle,
    now: SystemTime,
) -> Result<HeldBundle, NotAdmitted> {
    let Some(held) = &before.held else { return Ok(newest.clone()) };
    let advanced = held.advance_all(chain, now);
    if advanced.held.digest() == newest.digest() {
        return Ok(advanced.held);
    }
    let why = advanced
        .refused
        .map_or_else(|| "its bundle isn't the one that it has joined with".to_owned(), |r| r.to_string());
    Err(NotAdmitted::Unproved(why))
}

impl Record {
    /// Reads what an inviter announces.
    pub(super) fn announced(inviter: &MeshName, invite: &proto::Invite) -> Result<(InvitationId, Self), BadMessage> {
        let id = InvitationId::from_bytes(&invite.invitation).ok_or(BadMessage::Missing("invitation"))?;
        let hash = crate::invitation::HubSecretHash::from_bytes(&invite.hub_secret_hash);
        let hub_secret_hash = hash.ok_or(BadMessage::Missing("hub_secret_hash"))?;
        Ok((id, Self { inviter: inviter.clone(), hub_secret_hash, expires: invite.expires, used_by: None }))
    }
}
