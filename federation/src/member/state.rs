//! A member's state: what comes from the controller and from the hub goes in, what is to be said to either comes out.
//! No network, and no clock but in arguments.

mod hear;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Instant, SystemTime},
};

use isthmus_api::federation::v1::{self as proto, member_message::Message};
use isthmus_core::federation::MeshName;
use isthmus_identity::{HeldBundle, Svid};
use prost::Message as _;

use super::{
    event::Event,
    exporter::{Leaf, Outgoing, millis},
    importer::{Known, Why},
    offer::{Custody, Offer, Peer, Trust},
};
use crate::{
    catalog::{
        merge::Conflict,
        receive::{Line, unix},
    },
    invitation::InvitationId,
    limits::MAX_CONFLICTS,
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
    /// The state of the roots that was said last, and the certificate that has sealed it.
    custody: Option<(u64, Leaf)>,
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
            custody: None,
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
        self.custody = None;
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
        if let Some(custody) = self.say_custody(svid) {
            return Some(message(Message::Custody(custody)));
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

    fn say_custody(&mut self, svid: &Svid) -> Option<proto::Addressed> {
        let Custody { sequence, closed } = self.offer.custody.clone()?;
        let said = (sequence, svid.chain().first().cloned());
        if self.custody.as_ref() == Some(&said) {
            return None;
        }
        self.custody = Some(said);
        let line = self.line_to(&self.offer.mesh);
        let payload = proto::Custody {
            mesh: line.mesh.to_string(),
            cluster: line.cluster.to_string(),
            audience: line.audience.to_string(),
            sequence,
            closed,
        };
        match svid.seal(wire::CUSTODY, payload.encode_to_vec()) {
            Ok(sealed) => Some(proto::Addressed {
                to: line.audience.to_string(),
                sealed: Some(wire::sealed(sealed)),
                sequence,
                ..proto::Addressed::default()
            }),
            Err(why) => {
                self.refuse(None, "own custody", &why.into());
                None
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
        // Proxies that hold another bundle than the newest one count for nothing here. While it isn't known how many are to hold that,
        // somebody is: "0 of 0" would let the peer's next root sign.
        let known = trust.sequence >= *sequence;
        let (trusting, total) = if known { (trust.trusting, trust.total) } else { (0, trust.total.max(1)) };
        let payload = proto::Acknowledgement {
            mesh: line.mesh.to_string(),
            cluster: line.cluster.to_string(),
            audience: line.audience.to_string(),
            counter: self.ack_counter,
            bundle: *sequence,
            trusting,
            total,
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
