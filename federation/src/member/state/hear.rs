//! What the hub says to a member, and what becomes of it.

use std::time::{Instant, SystemTime};

use isthmus_api::federation::v1::{self as proto, hub_message};
use isthmus_core::federation::MeshName;
use isthmus_identity::Chain;

use super::State;
use crate::{
    catalog::{Digest, receive::Line, wire as form},
    invitation::InvitationId,
    limits::{MAX_CLUSTERS, MAX_PEERS},
    member::{
        event::{Event, InvitationState},
        importer::{Known, Why},
        introduction,
    },
    names::Cluster,
    wire,
};

/// Most meshes that a member keeps a catalog for: those that it knows, and as many of which the hub alone says that there was one.
const MAX_TOLD: usize = 2 * MAX_PEERS;

impl State {
    /// The hub says something.
    pub(crate) fn receive(&mut self, message: proto::HubMessage, now: Instant, wall: SystemTime) {
        use hub_message::Message;
        match message.message {
            Some(Message::Welcome(welcome)) => self.welcomed(welcome, wall),
            Some(Message::Bundle(chain)) => self.bundle(chain, now, wall),
            Some(Message::Catalog(relayed)) => {
                self.relayed("catalog", relayed, |known, line, sealed| known.catalog(line, sealed, now, wall));
            }
            Some(Message::Heartbeat(relayed)) => {
                self.relayed("heartbeat", relayed, |known, line, sealed| known.heartbeat(line, sealed, now, wall));
            }
            Some(Message::Acknowledgement(relayed)) => {
                self.relayed("acknowledgement", relayed, |known, line, sealed| {
                    known.acknowledgement(line, sealed, wall)
                });
            }
            Some(Message::Custody(relayed)) if *relayed.mesh == *self.offer.mesh.as_str() => {
                self.relayed("custody", relayed, |known, line, sealed| known.custody(line, sealed, wall));
            }
            // Of another mesh's roots nothing is of any use here.
            Some(Message::Custody(_)) => {}
            Some(Message::Introduced(introduced)) => self.introduced(introduced, wall),
            Some(Message::Invitation(state)) => self.invitation(state),
            Some(Message::Peer(state)) => self.peer_state(state),
            Some(Message::Wanted(told)) => {
                if let Some(outgoing) = told.to.parse().ok().and_then(|to: MeshName| self.exports.get_mut(&to)) {
                    outgoing.wanted();
                }
            }
            Some(Message::Refused(refused)) => {
                let clip = |text: String| text.chars().take(500).collect();
                let (what, why) = (clip(refused.what), clip(refused.why));
                self.events.push(Event::Refused { peer: None, what, why });
            }
            // Of a newer hub: what isn't known is not answered.
            None => {}
        }
    }

    fn welcomed(&mut self, welcome: proto::Welcome, wall: SystemTime) {
        self.welcome = true;
        for told in welcome.told.into_iter().take(MAX_PEERS) {
            let Ok(audience) = told.to.parse::<MeshName>() else { continue };
            if self.exports.len() >= MAX_TOLD && !self.exports.contains_key(&audience) {
                continue;
            }
            // Of an earlier run for a peer that is none any more, too: it is withdrawn then.
            self.exports.entry(audience).or_default().told(told.sequence, Digest::from_bytes(&told.digest), wall);
        }
        let version = welcome.version.chars().take(100).collect();
        self.events.push(Event::Connected { version });
    }

    fn bundle(&mut self, chain: proto::Chain, now: Instant, wall: SystemTime) {
        let of_hub = chain.bundles.first().is_some_and(|b| b.trust_domain == self.hub.trust_domain().as_str());
        if of_hub {
            match wire::read_chain(chain.bundles.clone()) {
                Ok(links) => self.follow_hub(&links, wall),
                Err(why) => self.refuse(None, "bundle", &why.into()),
            }
        }
        let mesh = chain.mesh.parse::<MeshName>();
        let Some((mesh, known)) = mesh.ok().and_then(|mesh| self.peers.get_mut(&mesh).map(|known| (mesh, known)))
        else {
            return;
        };
        let (event, refused) = known.bundle(&mesh, chain.bundles, now, wall);
        self.events.extend(event);
        if let Err(why) = refused {
            self.refuse(Some(&mesh), "bundle", &why);
        }
    }

    /// Bundles of the hub's mesh, from whomever.
    pub(crate) fn follow_hub(&mut self, chain: &Chain, wall: SystemTime) {
        let advanced = self.hub.advance_all(chain, wall);
        if advanced.held != self.hub {
            self.hub = advanced.held;
            self.events.push(Event::HubBundle(self.hub.clone()));
        }
        if let Some(why) = advanced.refused {
            self.refuse(None, "bundle", &why.into());
        }
    }

    fn relayed(
        &mut self,
        what: &'static str,
        relayed: proto::Relayed,
        take: impl FnOnce(&mut Known, &Line, proto::Sealed) -> Result<Option<Event>, Why>,
    ) {
        let Ok(mesh) = relayed.mesh.parse::<MeshName>() else { return };
        // Of who was a peer until a moment ago.
        let Some(known) = self.peers.get_mut(&mesh) else { return };
        let (cluster, sealed) = (form::parse("cluster", &relayed.cluster), relayed.sealed);
        let audience = self.offer.mesh.clone();
        let taken = cluster.map_err(Why::from).and_then(|cluster| {
            if mesh == audience && cluster == self.offer.cluster {
                return Err(Why::from("a cluster is told of the others of its mesh, not of itself"));
            }
            let sealed = sealed.ok_or(form::BadMessage::Missing("sealed"))?;
            take(known, &Line { mesh: mesh.clone(), cluster, audience }, sealed)
        });
        let clock = known.clock().map(|ahead| Event::Clock { peer: mesh.clone(), ahead });
        self.events.extend(clock);
        match taken {
            Ok(event) => self.events.extend(event),
            Err(why) => self.refuse(Some(&mesh), what, &why),
        }
    }

    fn introduced(&mut self, introduced: proto::Introduced, wall: SystemTime) {
        match introduction::verify(&self.offer, introduced, wall) {
            Ok(Some(event)) => self.events.push(event),
            // Of an invitation that is done with: so that the hub forgets it.
            Ok(None) => {}
            Err(why) => self.refuse(None, "introduction", &why),
        }
    }

    fn invitation(&mut self, message: proto::InvitationState) {
        use proto::invitation_state::State as Said;
        let Some(invitation) = InvitationId::from_bytes(&message.invitation) else { return };
        let state = match message.state() {
            Said::Announced => InvitationState::Announced,
            Said::Used => InvitationState::Used(message.used_by.chars().take(63).collect()),
            Said::Expired => InvitationState::Expired,
            Said::Withdrawn => InvitationState::Withdrawn,
            Said::Unknown => InvitationState::Unknown,
        };
        self.events.push(Event::Invitation { invitation, state });
    }

    fn peer_state(&mut self, message: proto::PeerState) {
        let Ok(peer) = message.mesh.parse::<MeshName>() else { return };
        if !self.peers.contains_key(&peer) && peer != self.offer.mesh {
            return;
        }
        let connected = message.connected.iter().take(MAX_CLUSTERS).filter_map(|c| c.parse::<Cluster>().ok()).collect();
        self.events.push(Event::Peer { peer, agrees: message.agrees, connected });
    }
}
