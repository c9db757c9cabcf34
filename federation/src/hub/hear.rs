//! What members say to the hub.

use std::{collections::BTreeMap, time::SystemTime};

use isthmus_api::federation::v1::{self as proto, member_message::Message};
use isthmus_core::federation::MeshName;
use isthmus_identity::{BundleDigest, Chain, HeldBundle};

use super::{
    log::{Log, NotKept, Place, bytes},
    session::{Holdings, SessionId, Topic},
    state::{MemberRecord, State, Stored},
};
use crate::{
    catalog::{receive::unix, wire as form},
    invitation::{InvitationId, Record},
    limits::{
        MAX_CATALOG_BYTES, MAX_CLUSTER_BYTES, MAX_CLUSTERS, MAX_CUSTODY_BYTES, MAX_INVITATION_LIFE, MAX_INVITATIONS,
        MAX_PEERS,
    },
    names::Cluster,
    wire,
};

/// What is to be kept before a member is told that it is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    /// An invitation that was announced: then call [`State::announced`].
    Invitation(InvitationId, Record),
    /// One that is used, and whose inviter knows by whom.
    Used(InvitationId, Stored),
    /// One that is not to be taken any more.
    Forget(InvitationId),
}

impl State {
    /// A member says something. What doesn't hold is told to it, and changes nothing.
    pub fn hear(&mut self, id: SessionId, message: proto::MemberMessage, now: SystemTime) -> Option<Keep> {
        let (mesh, cluster) = self.sessions.get(&id).map(|s| (s.mesh.clone(), s.cluster.clone()))?;
        let heard = match message.message {
            Some(Message::Bundle(chain)) => self.hear_bundle(&mesh, chain, now).map_err(|why| ("bundle", why)),
            Some(Message::Peers(peers)) => self.hear_peers(id, &mesh, &cluster, peers).map_err(|why| ("peers", why)),
            Some(Message::Catalog(catalog)) => {
                self.hear_catalog(id, &mesh, &cluster, catalog).map_err(|why| ("catalog", why))
            }
            Some(Message::Heartbeat(beat)) => {
                self.hear_heartbeat(&mesh, &cluster, beat).map_err(|why| ("heartbeat", why))
            }
            Some(Message::Acknowledgement(ack)) => {
                self.hear_acknowledgement(&mesh, &cluster, ack).map_err(|why| ("acknowledgement", why))
            }
            Some(Message::Custody(custody)) => {
                self.hear_custody(&mesh, &cluster, custody).map_err(|why| ("custody", why))
            }
            Some(Message::Invite(invite)) => match self.hear_invite(&mesh, &invite, now) {
                Ok(keep) => return keep,
                Err(why) => Err(("invitation", why)),
            },
            Some(Message::Withdraw(bytes)) => return self.hear_withdrawal(&mesh, &bytes),
            Some(Message::Hello(_)) => Err(("hello", "Hello comes once".to_owned())),
            // Of a newer member: what isn't known is not answered.
            None => Ok(()),
        };
        if let Err((what, why)) = heard {
            let count = self.tally.refused.entry(what).or_default();
            *count = count.saturating_add(1);
            if let Some(session) = self.sessions.get_mut(&id) {
                session.notice(what, why);
            }
        }
        None
    }

    fn hear_bundle(&mut self, mesh: &MeshName, message: proto::Chain, now: SystemTime) -> Result<(), String> {
        let chain = wire::read_chain(message.bundles).map_err(|why| why.to_string())?;
        let Some(member) = self.members.get_mut(mesh) else { return Ok(()) };
        let record = &member.record;
        let (held, refused) = match &record.held {
            Some(held) => {
                let advanced = held.advance_all(&chain, now);
                (advanced.held, advanced.refused)
            }
            // The hub's own mesh: that its controller says so is enough, for the hub's own certificate is of it.
            None => (first(record, &chain, now)?, None),
        };
        let merged = merge(&record.chain, &chain, &held);
        if record.held.as_ref() != Some(&held) || record.chain != merged {
            member.record = MemberRecord { held: Some(held), chain: merged, ..record.clone() };
            self.unsaved.insert(mesh.clone());
            self.bundle_changed(mesh);
        }
        refused.map_or(Ok(()), |refused| Err(refused.to_string()))
    }

    fn hear_peers(
        &mut self,
        id: SessionId,
        mesh: &MeshName,
        cluster: &Cluster,
        message: proto::Peers,
    ) -> Result<(), String> {
        form::within("peers", message.peers.len(), MAX_PEERS).map_err(|why| why.to_string())?;
        let mut peers = BTreeMap::new();
        for peer in message.peers {
            form::within("catalogs of a peer", peer.catalogs.len(), MAX_CLUSTERS).map_err(|why| why.to_string())?;
            let name: MeshName = form::parse("peers.mesh", &peer.mesh).map_err(|why| why.to_string())?;
            let mut holdings = Holdings { bundle: peer.bundle, catalogs: BTreeMap::new() };
            for held in peer.catalogs {
                let of = form::parse("peers.catalogs.cluster", &held.cluster).map_err(|why| why.to_string())?;
                let place = if held.floor { Place::Floor(held.sequence) } else { Place::At(held.sequence) };
                holdings.catalogs.insert(of, place);
            }
            peers.insert(name, holdings);
        }
        let brought = self.members.get_mut(mesh).and_then(|member| member.clusters.get_mut(cluster));
        let Some(brought) = brought else { return Ok(()) };
        let before = std::mem::replace(&mut brought.peers, peers.keys().cloned().collect());
        let after = brought.peers.clone();
        let everything: Vec<Topic> = after.iter().flat_map(|peer| self.topics(peer)).collect();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.peers = peers;
            everything.into_iter().for_each(|topic| session.tell(topic));
        }
        // Who has just come to agree with this one, or has ceased to, is told what that changes for it.
        for other in before.symmetric_difference(&after) {
            self.tell_all(|session| {
                (session.mesh == *other && session.peers.contains_key(mesh)).then(|| Topic::Peer(mesh.clone()))
            });
            self.tell_all(|session| {
                (session.mesh == *other && session.peers.contains_key(mesh)).then(|| Topic::Bundle(mesh.clone()))
            });
        }
        Ok(())
    }

    /// Everything that there is of a peer.
    fn topics(&self, peer: &MeshName) -> Vec<Topic> {
        let clusters = self.members.get(peer).into_iter().flat_map(|member| member.clusters.keys());
        let of_cluster = |cluster: &Cluster| {
            let (mesh, cluster) = (peer.clone(), cluster.clone());
            [
                Topic::Catalog(mesh.clone(), cluster.clone()),
                Topic::Heartbeat(mesh.clone(), cluster.clone()),
                Topic::Custody(mesh.clone(), cluster.clone()),
                Topic::Acknowledgement(mesh, cluster),
            ]
        };
        let of_mesh = [Topic::Bundle(peer.clone()), Topic::Peer(peer.clone())];
        of_mesh.into_iter().chain(clusters.flat_map(of_cluster)).collect()
    }

    fn hear_catalog(
        &mut self,
        id: SessionId,
        mesh: &MeshName,
        cluster: &Cluster,
        message: proto::Addressed,
    ) -> Result<(), String> {
        let to = self.audience(&message)?;
        let brought = self.members.get_mut(mesh).and_then(|member| member.clusters.get_mut(cluster));
        let Some(brought) = brought else { return Ok(()) };
        let others = brought.catalogs.iter().filter(|(audience, _)| **audience != to);
        let size = message.sealed.as_ref().map_or(0, bytes);
        let kept: usize = others.map(|(_, log)| log.bytes()).sum();
        if kept.saturating_add(size) > MAX_CLUSTER_BYTES {
            return Err(format!(
                "the catalogs of cluster {cluster} have more than {MAX_CLUSTER_BYTES} bytes: export fewer services"
            ));
        }
        let mut log = brought.catalogs.remove(&to);
        let put = Log::put(&mut log, message);
        if let Some(log) = log {
            brought.catalogs.insert(to.clone(), log);
        }
        match put {
            Ok(()) => {
                let topic = Topic::Catalog(mesh.clone(), cluster.clone());
                self.tell_audience(mesh, &to, &topic);
                Ok(())
            }
            Err(NotKept::Gap) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.tell(Topic::Wanted(to));
                }
                Ok(())
            }
            Err(why) => Err(why.to_string()),
        }
    }

    fn hear_heartbeat(&mut self, mesh: &MeshName, cluster: &Cluster, message: proto::Addressed) -> Result<(), String> {
        let to = self.audience(&message)?;
        let brought = self.members.get_mut(mesh).and_then(|member| member.clusters.get_mut(cluster));
        let (Some(brought), Some(sealed)) = (brought, small(message.sealed)?) else { return Ok(()) };
        brought.heartbeats.insert(to.clone(), sealed);
        let topic = Topic::Heartbeat(mesh.clone(), cluster.clone());
        self.tell_audience(mesh, &to, &topic);
        Ok(())
    }

    fn hear_acknowledgement(
        &mut self,
        mesh: &MeshName,
        cluster: &Cluster,
        message: proto::Addressed,
    ) -> Result<(), String> {
        let to = self.audience(&message)?;
        let brought = self.members.get_mut(mesh).and_then(|member| member.clusters.get_mut(cluster));
        let (Some(brought), Some(sealed)) = (brought, small(message.sealed)?) else { return Ok(()) };
        brought.acknowledgements.insert(to.clone(), (message.sequence, sealed));
        let topic = Topic::Acknowledgement(mesh.clone(), cluster.clone());
        self.tell_audience(mesh, &to, &topic);
        Ok(())
    }

    fn hear_custody(&mut self, mesh: &MeshName, cluster: &Cluster, message: proto::Addressed) -> Result<(), String> {
        let size = message.sealed.as_ref().map_or(0, bytes);
        if size > MAX_CUSTODY_BYTES {
            return Err(format!("it has {size} bytes; at most {MAX_CUSTODY_BYTES} are allowed"));
        }
        let brought = self.members.get_mut(mesh).and_then(|member| member.clusters.get_mut(cluster));
        let Some(brought) = brought else { return Ok(()) };
        brought.custody = message.sealed;
        // Whoever it says that it is for: it goes to this mesh.
        let topic = Topic::Custody(mesh.clone(), cluster.clone());
        self.tell_audience(mesh, mesh, &topic);
        Ok(())
    }

    /// Whom it is for: a member; the own mesh for its other clusters.
    fn audience(&self, message: &proto::Addressed) -> Result<MeshName, String> {
        let to: MeshName = form::parse("to", &message.to).map_err(|why| why.to_string())?;
        match self.members.contains_key(&to) {
            true => Ok(to),
            false => Err(format!("mesh {to} is no member of this hub: it has to join first")),
        }
    }

    /// Tells those clusters of `to` that agree with `mesh`.
    fn tell_audience(&mut self, mesh: &MeshName, to: &MeshName, topic: &Topic) {
        self.tell_all(|session| (session.mesh == *to && session.peers.contains_key(mesh)).then(|| topic.clone()));
    }

    fn hear_invite(
        &mut self,
        mesh: &MeshName,
        invite: &proto::Invite,
        now: SystemTime,
    ) -> Result<Option<Keep>, String> {
        let (id, record) = Record::announced(mesh, invite).map_err(|why| why.to_string())?;
        if let Some(known) = self.invitations.get(&id) {
            if known.record.inviter != *mesh || known.record.hub_secret_hash != record.hub_secret_hash {
                return Err("there is another invitation of that id: make a new one".to_owned());
            }
            self.tell_mesh(mesh, &Topic::Invitation(id));
            return Ok(None);
        }
        let longest = unix(now.checked_add(MAX_INVITATION_LIFE).unwrap_or(now));
        if record.expires > longest {
            return Err(format!("an invitation lives at most {} hours", MAX_INVITATION_LIFE.as_secs() / 3600));
        }
        let open = self.invitations.values().filter(|stored| stored.record.inviter == *mesh).count();
        if open >= MAX_INVITATIONS {
            return Err(format!("mesh {mesh} has {open} invitations, the most that it may: withdraw some"));
        }
        Ok(Some(Keep::Invitation(id, record)))
    }

    /// An invitation was kept: from now on it can be used.
    pub fn announced(&mut self, id: InvitationId, record: Record) {
        let inviter = record.inviter.clone();
        self.invitations.entry(id).or_insert(Stored { record, introduced: None });
        self.tell_mesh(&inviter, &Topic::Invitation(id));
    }

    fn hear_withdrawal(&mut self, mesh: &MeshName, bytes: &[u8]) -> Option<Keep> {
        let id = InvitationId::from_bytes(bytes)?;
        let stored = self.invitations.get_mut(&id).filter(|stored| stored.record.inviter == *mesh)?;
        // One that is used stays until it is over, so that who tries it again is told so.
        let keep = if stored.record.used_by.is_some() {
            stored.introduced = None;
            Keep::Used(id, stored.clone())
        } else {
            self.invitations.remove(&id);
            Keep::Forget(id)
        };
        self.tell_mesh(mesh, &Topic::Invitation(id));
        Some(keep)
    }
}

/// The first chain of the hub's own mesh.
fn first(record: &MemberRecord, chain: &Chain, now: SystemTime) -> Result<HeldBundle, String> {
    let newest = chain.newest().ok_or("a mesh needs a signed bundle")?;
    let read =
        HeldBundle::restore(record.trust_domain.clone(), newest.document.clone()).map_err(|why| why.to_string())?;
    let pin: BundleDigest = read.digest();
    HeldBundle::join(&record.trust_domain, pin, chain, now).map(|advanced| advanced.held).map_err(|why| why.to_string())
}

/// The links held and the new ones up to the newest that is believed: who has missed some finds each here.
fn merge(held: &Chain, given: &Chain, newest: &HeldBundle) -> Chain {
    let mut merged = held.clone();
    for link in given.links() {
        let sequence = |document: &[u8]| {
            HeldBundle::restore(newest.trust_domain().clone(), document.to_vec()).ok().map(|h| h.sequence())
        };
        let believed = sequence(&link.document).is_some_and(|sequence| sequence <= newest.sequence());
        if believed && !merged.links().iter().any(|known| known.document == link.document) {
            merged.push(link.clone());
        }
    }
    merged
}

/// A heartbeat or an acknowledgement: far shorter than a catalog.
fn small(sealed: Option<proto::Sealed>) -> Result<Option<proto::Sealed>, String> {
    const LIMIT: usize = MAX_CATALOG_BYTES / 64;
    match sealed.as_ref().map_or(0, bytes) {
        size if size > LIMIT => Err(format!("it has {size} bytes; at most {LIMIT} are allowed")),
        _ => Ok(sealed),
    }
}
