//! A member and its invitations in the form of a Mesh object.

use base64::{Engine, engine::general_purpose::STANDARD};
use isthmus_api::federation::v1 as proto;
use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_identity::{Chain, HeldBundle};
use isthmus_k8s::federation::{KnownInvitation, Mesh};
use kube::ResourceExt;
use prost::Message;

use super::super::state::{MemberRecord, Stored};
use crate::{
    invitation::{HubSecretHash, InvitationId, Record},
    wire,
};

/// A member, and the invitations that can be read; others are left out, for who has one can be invited anew.
pub(super) fn read(object: Mesh) -> Result<(MemberRecord, Vec<(InvitationId, Stored)>), String> {
    let mesh: MeshName = object.name_any().parse().map_err(text)?;
    let trust_domain = TrustDomain::new(&object.spec.trust_domain).map_err(text)?;
    let status = object.status.unwrap_or_default();
    let links = status.chain.iter().map(|link| read_link(link)).collect::<Result<_, _>>()?;
    let chain = Chain::new(links).map_err(text)?;
    let held = chain.newest().map(|newest| HeldBundle::restore(trust_domain.clone(), newest.document.clone()));
    let held = held.transpose().map_err(text)?;
    let invitations = status.invitations.iter().filter_map(|known| read_invitation(&mesh, known)).collect();
    Ok((MemberRecord { mesh, trust_domain, held, chain }, invitations))
}

fn read_link(link: &str) -> Result<isthmus_identity::SignedBundle, String> {
    let message = proto::SignedBundle::decode(STANDARD.decode(link).map_err(text)?.as_slice()).map_err(text)?;
    wire::read_signed_bundle(message).map_err(text)
}

fn read_invitation(inviter: &MeshName, known: &KnownInvitation) -> Option<(InvitationId, Stored)> {
    let introduced = match &known.introduced {
        Some(encoded) => Some(proto::Introduced::decode(STANDARD.decode(encoded).ok()?.as_slice()).ok()?),
        None => None,
    };
    let used_by = match &known.used_by {
        Some(mesh) => Some(mesh.parse().ok()?),
        None => None,
    };
    let record = Record {
        inviter: inviter.clone(),
        hub_secret_hash: HubSecretHash::from_bytes(&STANDARD.decode(&known.secret_hash).ok()?)?,
        expires: known.expires,
        used_by,
    };
    Some((known.id.parse().ok()?, Stored { record, introduced }))
}

pub(super) fn write_chain(chain: &Chain) -> Vec<String> {
    chain.links().iter().map(|link| STANDARD.encode(wire::signed_bundle(link).encode_to_vec())).collect()
}

pub(super) fn write_invitation(id: InvitationId, stored: &Stored) -> KnownInvitation {
    let Stored { record, introduced } = stored;
    KnownInvitation {
        id: id.to_string(),
        secret_hash: STANDARD.encode(record.hub_secret_hash.as_bytes()),
        expires: record.expires,
        used_by: record.used_by.as_ref().map(ToString::to_string),
        introduced: introduced.as_ref().map(|introduced| STANDARD.encode(introduced.encode_to_vec())),
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use isthmus_k8s::federation::{MeshSpec, MeshStatus};

    use super::*;
    use crate::testing::{Trust, mesh};

    fn object(trust: &Trust, invitations: Vec<KnownInvitation>) -> Mesh {
        let spec = MeshSpec {
            trust_domain: trust.domain.to_string(),
            cluster: None,
            clusters: None,
            hub: None,
            gateways: None,
            egress: None,
        };
        let chain = write_chain(&trust.chain);
        let mut object = Mesh::new("west", spec);
        object.status = Some(MeshStatus { chain, invitations, ..MeshStatus::default() });
        object
    }

    #[test]
    fn a_member_and_its_invitations_come_back_as_they_were() {
        let mut trust = Trust::new("west.local");
        trust.add_root();
        let id: InvitationId = "0".repeat(32).parse().unwrap();
        let record = Record {
            inviter: mesh("west"),
            hub_secret_hash: HubSecretHash::of(b"secret"),
            expires: 1000,
            used_by: Some(mesh("north")),
        };
        let introduced = Some(proto::Introduced { mac: vec![1, 2].into(), ..proto::Introduced::default() });
        let stored = Stored { record, introduced };
        let (member, invitations) = read(object(&trust, vec![write_invitation(id, &stored)])).unwrap();
        assert_eq!((member.held, member.chain), (Some(trust.held()), trust.chain.clone()));
        assert_eq!(invitations, [(id, stored)]);
    }

    #[test]
    fn what_can_not_be_read_is_said_and_bad_invitations_are_left_out() {
        let trust = Trust::new("west.local");
        let mut broken = object(&trust, Vec::new());
        broken.status.as_mut().unwrap().chain[0].replace_range(..4, "AAAA");
        assert!(read(broken).is_err());
        let bad =
            KnownInvitation { id: "x".into(), secret_hash: "x".into(), expires: 0, used_by: None, introduced: None };
        assert_eq!(read(object(&trust, vec![bad])).unwrap().1, []);
    }
}
