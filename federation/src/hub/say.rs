//! What the hub says to members: the newest of each topic, when the member can take more.

use isthmus_api::federation::v1::{self as proto, hub_message::Message, invitation_state::State as Standing};
use isthmus_core::federation::MeshName;
use isthmus_identity::HeldBundle;
use isthmus_runtime::build;

use super::{
    log::{Log, bytes},
    session::{SessionId, Topic},
    state::{Brought, State, message},
};
use crate::{invitation::InvitationId, names::Cluster, wire};

impl State {
    /// The next message for a session; `None`: nothing now.
    pub fn next(&mut self, id: SessionId) -> Option<proto::HubMessage> {
        loop {
            let topic = self.sessions.get_mut(&id)?.due.pop_first()?;
            if let Some(said) = self.say(id, topic) {
                return Some(message(said));
            }
        }
    }

    fn say(&mut self, id: SessionId, topic: Topic) -> Option<Message> {
        let said = match topic {
            Topic::Welcome => Message::Welcome(self.welcome(id)?),
            Topic::Bundle(mesh) => Message::Bundle(self.say_bundle(id, &mesh)?),
            Topic::Introduced(invitation) => {
                Message::Introduced(self.invitations.get(&invitation)?.introduced.clone()?)
            }
            Topic::Invitation(invitation) => Message::Invitation(self.say_invitation(invitation)),
            Topic::Notices => {
                let session = self.sessions.get_mut(&id)?;
                let notice = session.notices.pop_front()?;
                if !session.notices.is_empty() {
                    session.due.insert(Topic::Notices);
                }
                Message::Refused(notice)
            }
            Topic::Peer(mesh) => Message::Peer(self.say_peer(id, &mesh)?),
            Topic::Wanted(to) => Message::Wanted(proto::Told { to: to.to_string(), ..proto::Told::default() }),
            Topic::Catalog(mesh, cluster) => Message::Catalog(self.say_catalog(id, mesh, cluster)?),
            Topic::Heartbeat(mesh, cluster) => {
                let sealed = self.brought_for(id, &mesh, &cluster, |b, me| b.heartbeats.get(me).cloned())?;
                Message::Heartbeat(self.relay(&mesh, &cluster, sealed))
            }
            Topic::Custody(mesh, cluster) => {
                let of = |b: &Brought, me: &MeshName| b.custody.clone().filter(|_| *me == mesh);
                let sealed = self.brought_for(id, &mesh, &cluster, of)?;
                Message::Custody(self.relay(&mesh, &cluster, sealed))
            }
            Topic::Acknowledgement(mesh, cluster) => {
                let of = |b: &Brought, me: &MeshName| b.acknowledgements.get(me).map(|(_, sealed)| sealed.clone());
                let sealed = self.brought_for(id, &mesh, &cluster, of)?;
                Message::Acknowledgement(self.relay(&mesh, &cluster, sealed))
            }
        };
        Some(said)
    }

    fn welcome(&self, id: SessionId) -> Option<proto::Welcome> {
        let session = self.sessions.get(&id)?;
        let brought = self.members.get(&session.mesh)?.clusters.get(&session.cluster)?;
        let mut told: std::collections::BTreeMap<&MeshName, proto::Told> = Default::default();
        for (audience, log) in &brought.catalogs {
            let (sequence, digest) = log.newest();
            let digest = digest.as_bytes().to_vec().into();
            told.insert(audience, proto::Told { to: audience.to_string(), sequence, digest });
        }
        // A hub that was restarted knows from the receivers how far this cluster was.
        for receiver in self.sessions.values() {
            let holdings = receiver.peers.get(&session.mesh).and_then(|held| held.catalogs.get(&session.cluster));
            if let Some(place) = holdings {
                let told = told
                    .entry(&receiver.mesh)
                    .or_insert_with(|| proto::Told { to: receiver.mesh.to_string(), ..proto::Told::default() });
                if place.sequence() > told.sequence {
                    (told.sequence, told.digest) = (place.sequence(), Default::default());
                }
            }
        }
        Some(proto::Welcome { version: build::VERSION.to_owned(), told: told.into_values().collect() })
    }

    /// The bundles of a mesh: to all if it is the hub's own, else where both sides agree.
    fn say_bundle(&mut self, id: SessionId, mesh: &MeshName) -> Option<proto::Chain> {
        let session = self.sessions.get(&id)?;
        let agreed = session.peers.contains_key(mesh) && self.agrees(mesh, &session.mesh);
        if !agreed && mesh != self.own() {
            return None;
        }
        let record = &self.members.get(mesh)?.record;
        let newest = record.held.as_ref().map(HeldBundle::sequence)?;
        let of_hub = mesh == self.own();
        if let Some(holdings) = self.sessions.get_mut(&id)?.peers.get_mut(mesh) {
            if holdings.bundle >= newest && !of_hub {
                return None;
            }
            holdings.bundle = newest;
        }
        let record = &self.members.get(mesh)?.record;
        Some(proto::Chain { mesh: mesh.to_string(), bundles: wire::chain(&record.chain) })
    }

    fn say_invitation(&self, id: InvitationId) -> proto::InvitationState {
        let stored = self.invitations.get(&id);
        let used_by = stored.and_then(|stored| stored.record.used_by.as_ref());
        let state = match (stored, used_by) {
            (None, _) => Standing::Unknown,
            (Some(_), Some(_)) => Standing::Used,
            (Some(_), None) => Standing::Announced,
        };
        proto::InvitationState {
            invitation: id.to_bytes().into(),
            state: state.into(),
            used_by: used_by.map(ToString::to_string).unwrap_or_default(),
        }
    }

    fn say_peer(&self, id: SessionId, mesh: &MeshName) -> Option<proto::PeerState> {
        let session = self.sessions.get(&id)?;
        // A mesh agrees with itself.
        let own = *mesh == session.mesh;
        let agrees = own || self.agrees(mesh, &session.mesh);
        // Who doesn't agree isn't spied on.
        let connected = if agrees { self.connected(mesh) } else { Vec::new() };
        let connected = connected.iter().map(ToString::to_string).collect();
        let heard = own || session.peers.contains_key(mesh);
        heard.then(|| proto::PeerState { mesh: mesh.to_string(), agrees, connected })
    }

    fn say_catalog(&mut self, id: SessionId, mesh: MeshName, cluster: Cluster) -> Option<proto::Relayed> {
        let session = self.sessions.get_mut(&id)?;
        if session.is_of(&mesh, &cluster) {
            return None;
        }
        let me = session.mesh.clone();
        let holdings = session.peers.get_mut(&mesh)?;
        let brought = self.members.get(&mesh)?.clusters.get(&cluster)?;
        let log: &Log = brought.catalogs.get(&me)?;
        let (sealed, place) = log.after(holdings.catalogs.get(&cluster).copied())?;
        let sealed = sealed.clone();
        holdings.catalogs.insert(cluster.clone(), place);
        // There may be more of it.
        session.due.insert(Topic::Catalog(mesh.clone(), cluster.clone()));
        Some(self.relay(&mesh, &cluster, sealed))
    }

    /// What a cluster of a peer has brought for this session's mesh.
    fn brought_for<T>(
        &self,
        id: SessionId,
        mesh: &MeshName,
        cluster: &Cluster,
        what: impl FnOnce(&Brought, &MeshName) -> Option<T>,
    ) -> Option<T> {
        let session = self.sessions.get(&id).filter(|session| !session.is_of(mesh, cluster))?;
        session.peers.get(mesh)?;
        what(self.members.get(mesh)?.clusters.get(cluster)?, &session.mesh)
    }

    fn relay(&mut self, mesh: &MeshName, cluster: &Cluster, sealed: proto::Sealed) -> proto::Relayed {
        let bytes = u64::try_from(bytes(&sealed)).unwrap_or(u64::MAX);
        self.tally.relayed = self.tally.relayed.saturating_add(bytes);
        proto::Relayed { mesh: mesh.to_string(), cluster: cluster.to_string(), sealed: Some(sealed) }
    }
}
