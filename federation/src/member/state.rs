//! A member's state: what comes from the controller and from the hub goes in, what is to be said to either comes out.
//! No network, and no clock but in arguments.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Instant, SystemTime},
};

use isthmus_api::federation::v1::{self as proto, hub_message, member_message::Message};
use isthmus_core::federation::MeshName;
use isthmus_identity::{Chain, HeldBundle, Svid};
use prost::Message as _;

use super::{
    event::{Event, InvitationState},
    exporter::{Leaf, Outgoing, millis},
    importer::{Known, Why},
    introduction,
    offer::{Offer, Peer, Trust},
};
use crate::{
    catalog::{
        Digest,
        merge::Conflict,
        receive::{Line, unix},
        wire as form,
    },
    invitation::InvitationId,
    limits::{MAX_CLUSTERS, MAX_CONFLICTS},
    names::Cluster,
    wire,
};

/// Everything that a member knows.
#[derive(Debug)]
pub(crate) struct State {
    offer: Arc<Offer>,
    /// The bundle of the hub's mesh.
    hub: HeldBundle,
    peers: BTreeMap<MeshName, Known>,
    exports: BTreeMap<MeshName, Outgoing>,
    /// What was acknowledged last, by peer, and the certificate that has sealed it.
    acked: BTreeMap<MeshName, (u64, Trust, Vec<Conflict>, Leaf)>,
    ack_counter: u64,
    due: Due,
    /// The hub has answered: things may be said.
    welcome: bool,
    /// To be told to the controller.
    events: Vec<Event>,
}

/// What is to be said besides catalogs.
#[derive(Debug, Default)]
struct Due {
    chain: bool,
    peers: bool,
    invite: BTreeSet<InvitationId>,
    withdraw: BTreeSet<InvitationId>,
}

impl State {
    pub(crate) fn new(offer: Arc<Offer>, hub: HeldBundle, now: Instant) -> Self {
        let mut state = Self {
            offer: Arc::clone(&offer),
            hub,
            peers: BTreeMap::new(),
            exports: BTreeMap::new(),
            acked: BTreeMap::new(),
            ack_counter: 0,
            due: Due::default(),
            welcome: false,
            events: Vec::new(),
        };
        state.offer(offer, now);
        state
    }

    /// The bundle of the hub's mesh.
    pub(crate) fn hub(&self) -> &HeldBundle {
        &self.hub
    }

    /// What the controller is to be told.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The controller offers something else.
    pub(crate) fn offer(&mut self, offer: Arc<Offer>, now: Instant) {
        let before = std::mem::replace(&mut self.offer, offer);
        let offer = Arc::clone(&self.offer);
        self.due.chain |= before.chain != offer.chain;
        self.due.peers |= !before.peers.keys().eq(offer.peers.keys());
        self.due.invite.extend(offer.invitations.keys().filter(|id| !before.invitations.contains_key(id)));
        self.due.withdraw.extend(before.invitations.keys().filter(|id| !offer.invitations.contains_key(id)));
        self.peers.retain(|mesh, _| offer.peers.contains_key(mesh));
        self.acked.retain(|mesh, _| offer.peers.contains_key(mesh));
        for (mesh, peer) in &offer.peers {
            self.meet(mesh, peer, now);
        }
        for (mesh, outgoing) in &mut self.exports {
            if !offer.peers.contains_key(mesh) {
                outgoing.offer(None);
            }
        }
        for mesh in offer.peers.keys() {
            let exports = offer.exports.get(mesh);
            match self.exports.get_mut(mesh) {
                // Who was offered something is told that it is nothing now.
                Some(outgoing) => outgoing.offer(Some(exports.cloned().unwrap_or_default())),
                None if exports.is_some() => {
                    let mut outgoing = Outgoing::default();
                    outgoing.offer(exports.cloned());
                    self.exports.insert(mesh.clone(), outgoing);
                }
                None => {}
            }
        }
    }

    fn meet(&mut self, mesh: &MeshName, peer: &Peer, now: Instant) {
        if self.peers.get_mut(mesh).is_some_and(|known| known.update(peer)) {
            return;
        }
        match Known::new(peer, now) {
            Ok(known) => {
                self.peers.insert(mesh.clone(), known);
                self.due.peers = true;
            }
            Err(why) => {
                self.peers.remove(mesh);
                self.refuse(Some(mesh), "bundle", &why);
            }
        }
    }

    /// A new session begins: this is to be said first.
    pub(crate) fn hello(&mut self, version: &str) -> proto::MemberMessage {
        self.welcome = false;
        self.due = Due {
            chain: true,
            peers: true,
            invite: self.offer.invitations.keys().copied().collect(),
            withdraw: std::mem::take(&mut self.due.withdraw),
        };
        self.acked.clear();
        self.exports.retain(|_, outgoing| !outgoing.is_vain());
        self.exports.values_mut().for_each(Outgoing::begin_session);
        message(Message::Hello(proto::Hello {
            mesh: self.offer.mesh.to_string(),
            cluster: self.offer.cluster.to_string(),
            trust_domain: self.offer.trust_domain.to_string(),
            version: version.to_owned(),
        }))
    }

    /// The next thing to say to the hub; `None`: nothing now. It is asked when the connection can take more, so that what
    /// changes meanwhile is said once.
    pub(crate) fn next(&mut self, svid: &Svid, now: Instant, wall: SystemTime) -> Option<proto::MemberMessage> {
        if !self.welcome {
            return None;
        }
        if std::mem::take(&mut self.due.chain) {
            let (mesh, bundles) = (self.offer.mesh.to_string(), wire::chain(&self.offer.chain));
            return Some(message(Message::Bundle(proto::Chain { mesh, bundles })));
        }
        if let Some(peers) = self.say_peers(now) {
            return Some(message(Message::Peers(peers)));
        }
        while let Some(id) = self.due.invite.pop_first() {
            if let Some(invitation) = self.offer.invitations.get(&id) {
                return Some(message(Message::Invite(invitation.announcement())));
            }
        }
        if let Some(id) = self.due.withdraw.pop_first() {
            return Some(message(Message::Withdraw(id.to_bytes().into())));
        }
        if let Some(catalog) = self.say_catalog(svid, now, wall) {
            return Some(message(Message::Catalog(catalog)));
        }
        if let Some(ack) = self.say_acknowledgement(svid, wall) {
            return Some(message(Message::Acknowledgement(ack)));
        }
        self.say_heartbeat(svid, now, wall).map(|beat| message(Message::Heartbeat(beat)))
    }

    /// When [`State::next`] has something to say by the clock alone.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let beats = self.exports.values().filter_map(Outgoing::next_beat);
        beats.chain(self.peers.values().filter_map(Known::ask_at)).min().filter(|_| self.welcome)
    }

    fn say_peers(&mut self, now: Instant) -> Option<proto::Peers> {
        let asked = |known: &Known| known.ask_at().is_some_and(|at| at <= now);
        if !std::mem::take(&mut self.due.peers) && !self.peers.values().any(asked) {
            return None;
        }
        self.peers.values_mut().filter(|known| known.ask_at().is_some_and(|at| at <= now)).for_each(Known::asked);
        Some(proto::Peers { peers: self.peers.iter().map(|(mesh, known)| known.holdings(mesh)).collect() })
    }

    fn line_to(&self, audience: &MeshName) -> Line {
        Line { mesh: self.offer.mesh.clone(), cluster: self.offer.cluster.clone(), audience: audience.clone() }
    }

    fn say_catalog(&mut self, svid: &Svid, now: Instant, wall: SystemTime) -> Option<proto::Addressed> {
        loop {
            let due = self.exports.iter().find(|(_, outgoing)| outgoing.is_due(svid));
            let audience = due.map(|(audience, _)| audience.clone())?;
            let line = self.line_to(&audience);
            match self.exports.get_mut(&audience)?.publish(&line, svid, now, wall) {
                Ok(catalog) => return Some(catalog),
                Err(why) => self.refuse(Some(&audience), "own catalog", &why.into()),
            }
        }
    }

    fn say_heartbeat(&mut self, svid: &Svid, now: Instant, wall: SystemTime) -> Option<proto::Addressed> {
        loop {
            let due = |outgoing: &Outgoing| outgoing.next_beat().is_some_and(|at| at <= now);
            let audience = self.exports.iter().find(|(_, o)| due(o)).map(|(audience, _)| audience.clone())?;
            let line = self.line_to(&audience);
            match self.exports.get_mut(&audience)?.beat(&line, svid, now, wall)? {
                Ok(beat) => return Some(beat),
                Err(why) => self.refuse(Some(&audience), "own heartbeat", &why.into()),
            }
        }
    }

    fn say_acknowledgement(&mut self, svid: &Svid, wall: SystemTime) -> Option<proto::Addressed> {
        let (mesh, state) = self.peers.iter().find_map(|(mesh, known)| {
            let sequence = known.held()?.sequence();
            let state = (sequence, known.peer().trust, known.peer().conflicts.clone(), svid.chain().first().cloned());
            (self.acked.get(mesh) != Some(&state)).then(|| (mesh.clone(), state))
        })?;
        self.ack_counter = self.ack_counter.saturating_add(1).max(millis(wall));
        let line = self.line_to(&mesh);
        let (sequence, trust, conflicts, _) = &state;
        // Proxies that hold another bundle than the newest one count for nothing here.
        let trusting = if trust.sequence >= *sequence { trust.trusting } else { 0 };
        let payload = proto::Acknowledgement {
            mesh: line.mesh.to_string(),
            cluster: line.cluster.to_string(),
            audience: line.audience.to_string(),
            counter: self.ack_counter,
            bundle: *sequence,
            trusting,
            total: trust.total,
            conflicts: conflicts.iter().take(MAX_CONFLICTS).map(conflict).collect(),
            issued_at: unix(wall),
        };
        let sealed = svid.seal(wire::ACKNOWLEDGEMENT, payload.encode_to_vec());
        self.acked.insert(mesh.clone(), state);
        match sealed {
            Ok(sealed) => Some(proto::Addressed {
                to: mesh.to_string(),
                sealed: Some(wire::sealed(sealed)),
                sequence: self.ack_counter,
                ..proto::Addressed::default()
            }),
            Err(why) => {
                self.refuse(Some(&mesh), "own acknowledgement", &why.into());
                None
            }
        }
    }

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
        for told in welcome.told.into_iter().take(crate::limits::MAX_PEERS) {
            let Ok(audience) = told.to.parse::<MeshName>() else { continue };
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
            let sealed = sealed.ok_or(form::BadMessage::Missing("sealed"))?;
            take(known, &Line { mesh: mesh.clone(), cluster, audience }, sealed)
        });
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
        if !self.peers.contains_key(&peer) {
            return;
        }
        let connected = message.connected.iter().take(MAX_CLUSTERS).filter_map(|c| c.parse::<Cluster>().ok()).collect();
        self.events.push(Event::Peer { peer, agrees: message.agrees, connected });
    }

    fn refuse(&mut self, peer: Option<&MeshName>, what: &str, why: &Why) {
        self.events.push(Event::Refused { peer: peer.cloned(), what: what.to_owned(), why: why.to_string() });
    }
}

fn conflict(conflict: &Conflict) -> proto::Conflict {
    proto::Conflict {
        namespace: conflict.service.namespace.to_string(),
        name: conflict.service.name.to_string(),
        port: conflict.port.into(),
        winner: conflict.winner.to_string(),
        loser: conflict.loser.to_string(),
        field: conflict.field.as_str().to_owned(),
    }
}

fn message(message: Message) -> proto::MemberMessage {
    proto::MemberMessage { message: Some(message) }
}
