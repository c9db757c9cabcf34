//! What members and joiners say to the hub.

use std::collections::BTreeMap;

use isthmus_api::federation::v1::{self as proto, MemberMessage};
use prost::Message;

use super::{SCENE, Scene, introduction, steps};
use crate::{
    catalog::receive::unix,
    hub::{self, Keep, MemberRecord, SessionId},
    invitation::{Invitation, Terms},
    limits::MAX_CLUSTER_BYTES,
    names::{controller_id, hub_id},
    testing::{HOUR, Trust, mesh},
    wire,
};

/// Messages of two members that have sessions, of joiners, and of one who holds an invitation. A mesh keeps its trust domain, and
/// the hub doesn't keep more than it may.
pub fn heard_by_hub(input: &[u8]) {
    SCENE.with(|scene| {
        let mut hub = Hub::new(scene);
        for (kind, step) in steps(input) {
            match kind % 4 {
                0 => hub.hear(hub.east, step),
                1 => hub.hear(hub.west, step),
                2 => hub.join(proto::JoinRequest::decode(step).ok()),
                _ => hub.join(Some(hub.invited(step))),
            }
        }
    });
}

struct Hub<'s> {
    scene: &'s Scene,
    state: hub::State,
    east: SessionId,
    west: SessionId,
    invitation: Invitation,
}

impl<'s> Hub<'s> {
    fn new(scene: &'s Scene) -> Self {
        let record = |(name, trust): (&str, &Trust)| MemberRecord {
            mesh: mesh(name),
            trust_domain: trust.domain.clone(),
            held: Some(trust.held()),
            chain: trust.chain.clone(),
        };
        let members = [("east", &scene.east), ("west", &scene.west)].map(record);
        let mut state = hub::State::new(mesh("east"), scene.east.domain.clone(), members.into(), BTreeMap::new());
        let [east, west] = [("east", &scene.east), ("west", &scene.west)].map(|(name, trust)| {
            let hello = proto::Hello {
                mesh: name.to_owned(),
                cluster: name.to_owned(),
                trust_domain: trust.domain.to_string(),
                version: String::new(),
            };
            let (mesh, cluster) = state.admit(&controller_id(&trust.domain).unwrap(), &hello).unwrap();
            state.open(mesh, cluster).0
        });
        let digest = scene.east.digest();
        let invitation = Invitation::generate(Terms {
            hub: vec!["hub.example:15030".into()],
            hub_identity: hub_id(&scene.east.domain).unwrap(),
            hub_bundle: digest,
            mesh: mesh("east"),
            trust_domain: scene.east.domain.clone(),
            bundle: digest,
            expires: unix(scene.wall + HOUR),
        })
        .unwrap();
        let mut hub = Self { scene, state, east, west, invitation };
        let invite = proto::member_message::Message::Invite(hub.invitation.announcement());
        hub.say(east, MemberMessage { message: Some(invite) });
        hub
    }

    fn hear(&mut self, session: SessionId, bytes: &[u8]) {
        if let Ok(message) = MemberMessage::decode(bytes) {
            self.say(session, message);
        }
    }

    fn say(&mut self, session: SessionId, message: MemberMessage) {
        if let Some(Keep::Invitation(id, record)) = self.state.hear(session, message, self.scene.wall) {
            self.state.announced(id, record);
        }
        for session in [self.east, self.west] {
            while let Some(told) = self.state.next(session) {
                let _ = told.encoded_len();
            }
        }
        let (_, _, bytes) = self.state.size();
        assert!(bytes <= 2 * MAX_CLUSTER_BYTES);
    }

    /// Of one who holds the invitation, and says this of himself.
    fn invited(&self, payload: &[u8]) -> proto::JoinRequest {
        let payload = introduction(payload, self.invitation.id, &self.scene.north);
        let mac = self.invitation.peer_secret().mac(&payload).into();
        let sealed = self.scene.of_north.seal(wire::INTRODUCTION, payload).unwrap();
        proto::JoinRequest {
            invitation: self.invitation.id.to_bytes().into(),
            hub_secret: self.invitation.hub_secret().expose().to_vec().into(),
            chain: wire::chain(&self.scene.north.chain),
            introduction: Some(wire::sealed(sealed)),
            mac,
        }
    }

    fn join(&mut self, request: Option<proto::JoinRequest>) {
        let Some(request) = request else { return };
        if let Ok(admission) = self.state.consider(request, self.scene.wall) {
            self.state.admitted(admission);
        }
        for (name, domain) in self.state.members() {
            let trust = match name.as_str() {
                "east" => &self.scene.east,
                "west" => &self.scene.west,
                _ => &self.scene.north,
            };
            assert_eq!(domain, trust.domain, "{name}");
        }
    }
}
