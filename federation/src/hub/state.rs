//! The hub's state: members, what each has brought, and who is connected. No network and no storage.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use isthmus_api::federation::v1::{self as proto, hub_message::Message};
use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_identity::{Chain, HeldBundle};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    log::Log,
    session::{Session, SessionId, Topic},
};
use crate::{
    invitation::{InvitationId, Record},
    limits::{MAX_CLUSTERS, MAX_INVITATION_LIFE},
    names::Cluster,
    wire,
};

/// A mesh that has joined, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRecord {
    /// Its name.
    pub mesh: MeshName,
    /// Whose workloads are of it.
    pub trust_domain: TrustDomain,
    /// Its newest bundle; `None`: of the hub's own mesh, before its controller has come.
    pub held: Option<HeldBundle>,
    /// Its bundles, oldest first.
    pub chain: Chain,
}

/// An invitation, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its record.
    pub record: Record,
    /// Of one that is used: for the inviter, until it has heard it.
    pub introduced: Option<proto::Introduced>,
}

/// Everything that the hub knows.
#[derive(Debug)]
pub struct State {
    /// The mesh that the hub runs in.
    own: MeshName,
    pub(super) members: BTreeMap<MeshName, Member>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) invitations: BTreeMap<InvitationId, Stored>,
    next_session: u64,
    /// Members whose record is to be kept again.
    pub(super) unsaved: BTreeSet<MeshName>,
    pub(super) tally: Tally,
    /// Other roots are to be trusted than before.
    roots_changed: bool,
}

/// What the hub counts, since it was last asked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Messages that were not taken, by what they were.
    pub refused: BTreeMap<&'static str, u64>,
    /// Bytes of what was relayed.
    pub relayed: u64,
}

/// A mesh that has joined.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) record: MemberRecord,
    pub(super) clusters: BTreeMap<Cluster, Brought>,
}

/// What one cluster of a mesh has brought. It stays while the cluster is away.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub(super) session: Option<SessionId>,
    /// The peers that it agrees with.
    pub(super) peers: BTreeSet<MeshName>,
    /// By audience.
    pub(super) catalogs: BTreeMap<MeshName, Log>,
    pub(super) heartbeats: BTreeMap<MeshName, proto::Sealed>,
    pub(super) acknowledgements: BTreeMap<MeshName, (u64, proto::Sealed)>,
    /// For the own mesh's other clusters, and unreadable here.
    pub(super) custody: Option<proto::Sealed>,
}

impl State {
    /// A hub of this mesh, with what was kept.
    pub fn new(
        own: MeshName,
        trust_domain: TrustDomain,
        members: Vec<MemberRecord>,
        invitations: BTreeMap<InvitationId, Stored>,
    ) -> Self {
        let mut state = Self {
            own: own.clone(),
            members: BTreeMap::new(),
            sessions: BTreeMap::new(),
            invitations,
            next_session: 0,
            unsaved: Default::default(),
            tally: Tally::default(),
            roots_changed: false,
        };
        let own = MemberRecord { mesh: own, trust_domain, held: None, chain: Chain::default() };
        for record in std::iter::once(own).chain(members) {
            // What was kept of the own mesh counts if it is still of that trust domain.
            let kept = state.members.get(&record.mesh).map(|own| own.record.trust_domain.clone());
            if kept.is_none_or(|domain| domain == record.trust_domain) {
                state.unsaved.extend((record.held.is_some()).then(|| record.mesh.clone()));
                state.members.insert(record.mesh.clone(), Member { record, clusters: BTreeMap::new() });
            }
        }
        state
    }

    /// The hub's own mesh.
    pub fn own(&self) -> &MeshName {
        &self.own
    }

    /// The members' names and trust domains.
    pub fn members(&self) -> BTreeMap<MeshName, TrustDomain> {
        self.members.iter().map(|(mesh, member)| (mesh.clone(), member.record.trust_domain.clone())).collect()
    }

    /// The members' clusters, as far as they have come.
    pub fn clusters(&self) -> BTreeMap<MeshName, BTreeSet<Cluster>> {
        self.members.iter().map(|(mesh, member)| (mesh.clone(), member.clusters.keys().cloned().collect())).collect()
    }

    /// Is there a place for this cluster of a mesh? One that is away makes place.
    pub(super) fn has_room(&self, mesh: &MeshName, cluster: &Cluster) -> bool {
        let clusters = self.members.get(mesh).map(|member| &member.clusters);
        clusters.is_none_or(|clusters| {
            clusters.len() < MAX_CLUSTERS
                || clusters.contains_key(cluster)
                || clusters.values().any(|brought| brought.session.is_none())
        })
    }

    /// A member as it is kept.
    pub fn member(&self, mesh: &MeshName) -> Option<MemberRecord> {
        self.members.get(mesh).map(|member| member.record.clone())
    }

    /// The clusters of a member that are connected.
    pub fn connected(&self, mesh: &MeshName) -> Vec<Cluster> {
        let clusters = self.members.get(mesh).map(|member| &member.clusters);
        let connected = clusters.into_iter().flatten().filter(|(_, brought)| brought.session.is_some());
        connected.map(|(cluster, _)| cluster.clone()).collect()
    }

    /// An invitation as it is kept.
    pub fn invitation(&self, id: InvitationId) -> Option<&Stored> {
        self.invitations.get(&id)
    }

    /// Members whose record has changed since the last time this was asked, to be kept.
    pub fn take_unsaved(&mut self) -> Vec<MemberRecord> {
        std::mem::take(&mut self.unsaved).iter().filter_map(|mesh| self.member(mesh)).collect()
    }

    /// What was counted since the last time.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Have the members' roots changed since the last time?
    pub(super) fn take_roots_changed(&mut self) -> bool {
        std::mem::take(&mut self.roots_changed)
    }

    /// Sessions, catalogs, and their bytes.
    pub fn size(&self) -> (usize, usize, usize) {
        let logs = || self.members.values().flat_map(|m| m.clusters.values()).flat_map(|b| b.catalogs.values());
        (self.sessions.len(), logs().count(), logs().map(Log::bytes).sum())
    }

    /// Admits a mesh, after that was kept.
    pub fn admitted(&mut self, admission: super::Admission) {
        let super::Admission { member, invitation, id, .. } = admission;
        let mesh = member.mesh.clone();
        match self.members.get_mut(&mesh) {
            Some(known) => known.record = member,
            None => {
                self.members.insert(mesh.clone(), Member { record: member, clusters: BTreeMap::new() });
            }
        }
        let inviter = invitation.record.inviter.clone();
        self.invitations.insert(id, invitation);
        self.tell_mesh(&inviter, &Topic::Introduced(id));
        self.tell_mesh(&inviter, &Topic::Invitation(id));
        self.bundle_changed(&mesh);
    }

    /// Puts a member out: its sessions end, and nobody is told anything of it any more. Is there one?
    pub fn revoke(&mut self, mesh: &MeshName) -> bool {
        if *mesh == self.own || self.members.remove(mesh).is_none() {
            return false;
        }
        self.unsaved.remove(mesh);
        self.roots_changed = true;
        for session in self.sessions.values().filter(|session| session.mesh == *mesh) {
            session.over.cancel();
        }
        for member in self.members.values_mut() {
            for brought in member.clusters.values_mut() {
                brought.catalogs.remove(mesh);
                brought.heartbeats.remove(mesh);
                brought.acknowledgements.remove(mesh);
            }
        }
        self.invitations.retain(|_, stored| stored.record.inviter != *mesh);
        self.tell_all(|session| session.peers.contains_key(mesh).then(|| Topic::Peer(mesh.clone())));
        true
    }

    /// Forgets invitations that are over; gives which. One that is used is kept until its inviter knows who has come, for as
    /// long again as an invitation can live.
    pub fn expire(&mut self, now: SystemTime) -> Vec<(InvitationId, MeshName)> {
        let long_ago = now.checked_sub(MAX_INVITATION_LIFE).unwrap_or(SystemTime::UNIX_EPOCH);
        let is_over =
            |stored: &Stored| stored.record.has_expired(if stored.introduced.is_some() { long_ago } else { now });
        let over = self.invitations.iter().filter(|(_, stored)| is_over(stored));
        let over: Vec<_> = over.map(|(id, stored)| (*id, stored.record.inviter.clone())).collect();
        for (id, inviter) in &over {
            self.invitations.remove(id);
            self.tell_mesh(inviter, &Topic::Invitation(*id));
        }
        over
    }

    /// Begins a session of a cluster; one that it had before ends. Gives what wakes its voice, and what ends it.
    pub fn open(&mut self, mesh: MeshName, cluster: Cluster) -> (SessionId, Arc<Notify>, CancellationToken) {
        let id = SessionId(self.next_session);
        self.next_session = self.next_session.saturating_add(1);
        let session = Session::new(mesh.clone(), cluster.clone());
        let (wake, over) = (Arc::clone(&session.wake), session.over.clone());
        self.sessions.insert(id, session);
        if let Some(member) = self.members.get_mut(&mesh) {
            if member.clusters.len() >= MAX_CLUSTERS && !member.clusters.contains_key(&cluster) {
                let away = member.clusters.iter().find(|(_, brought)| brought.session.is_none());
                let away = away.map(|(cluster, _)| cluster.clone());
                away.and_then(|away| member.clusters.remove(&away));
            }
            let before = member.clusters.entry(cluster).or_default().session.replace(id);
            if let Some(before) = before.and_then(|before| self.sessions.remove(&before)) {
                before.over.cancel();
            }
        }
        // Of this member, its invitations and who has used them.
        let invitations: Vec<_> =
            self.invitations.iter().filter(|(_, s)| s.record.inviter == mesh).map(|(id, _)| *id).collect();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.due.extend(invitations.into_iter().flat_map(|id| [Topic::Introduced(id), Topic::Invitation(id)]));
            session.due.insert(Topic::Bundle(self.own.clone()));
            session.due.insert(Topic::Peer(mesh.clone()));
        }
        self.presence_changed(&mesh);
        (id, wake, over)
    }

    /// Ends a session.
    pub fn close(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(member) = self.members.get_mut(&session.mesh)
            && let Some(brought) = member.clusters.get_mut(&session.cluster)
            && brought.session == Some(id)
        {
            brought.session = None;
        }
        self.presence_changed(&session.mesh);
    }

    /// Tells a member why something wasn't done.
    pub(super) fn remark(&mut self, id: SessionId, what: &str, why: &str) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.notice(what, why);
        }
    }

    /// Does a cluster of `mesh` agree with `peer`?
    pub(super) fn agrees(&self, mesh: &MeshName, peer: &MeshName) -> bool {
        self.members.get(mesh).is_some_and(|m| m.clusters.values().any(|brought| brought.peers.contains(peer)))
    }

    pub(super) fn presence_changed(&mut self, mesh: &MeshName) {
        if self.members.contains_key(mesh) {
            self.unsaved.insert(mesh.clone());
        }
        self.tell_all(|session| {
            (session.mesh == *mesh || session.peers.contains_key(mesh)).then(|| Topic::Peer(mesh.clone()))
        });
    }

    pub(super) fn bundle_changed(&mut self, mesh: &MeshName) {
        self.roots_changed = true;
        let everybody = *mesh == self.own;
        self.tell_all(|session| (everybody || session.peers.contains_key(mesh)).then(|| Topic::Bundle(mesh.clone())));
    }

    pub(super) fn tell_mesh(&mut self, mesh: &MeshName, topic: &Topic) {
        self.tell_all(|session| (session.mesh == *mesh).then(|| topic.clone()));
    }

    pub(super) fn tell_all(&mut self, topic: impl Fn(&Session) -> Option<Topic>) {
        for session in self.sessions.values_mut() {
            if let Some(topic) = topic(session) {
                session.tell(topic);
            }
        }
    }

    /// The own mesh's chain, for who joins.
    pub fn own_chain(&self) -> proto::BundleResponse {
        let chain = self.members.get(&self.own).map(|own| wire::chain(&own.record.chain));
        proto::BundleResponse { mesh: self.own.to_string(), chain: chain.unwrap_or_default() }
    }
}

/// A message of the hub.
pub(super) fn message(message: Message) -> proto::HubMessage {
    proto::HubMessage { message: Some(message) }
}
