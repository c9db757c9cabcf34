//! What is held of one peer, and what is made of what the hub relays of it. The hub may withhold anything: then what is
//! held ages. Nothing else that it may try changes anything here.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_api::federation::v1 as proto;
use isthmus_core::{federation::MeshName, id::SpiffeId};
use isthmus_identity::{HeldBundle, Sealed, TrustStore};
use prost::Message;

use super::{
    event::{Event, ToldConflict},
    offer::{Custody, Peer},
};
use crate::{
    catalog::{
        freshness::Pulse,
        receive::{self, Beat, Held, Line, NotTaken, Taken},
        wire as form,
    },
    limits::{MAX_CLUSTERS, MAX_CONFLICTS},
    names::{Cluster, controller_id},
    wire,
};

/// Pause before something is asked for once more that didn't fit…
const ASK_FIRST: Duration = Duration::from_secs(1);
/// …doubling up to this, for a hub that sends nothing else.
const ASK_LONGEST: Duration = Duration::from_mins(5);

/// Seconds by which a peer's clock has to have moved to be told of again: what is relayed takes its time.
const CLOCK_STEP: u64 = 10;

/// Why something isn't taken.
pub(super) type Why = Box<dyn std::error::Error + Send + Sync>;

/// A peer.
#[derive(Debug)]
pub(super) struct Known {
    peer: Peer,
    controller: SpiffeId,
    held: Option<HeldBundle>,
    store: TrustStore,
    catalogs: BTreeMap<Cluster, Incoming>,
    /// Counters of the newest acknowledgements.
    acks: BTreeMap<Cluster, u64>,
    /// How far its clock is ahead of this one, in seconds, and what was told of that last.
    ahead: Option<i64>,
    ahead_told: Option<i64>,
    /// Something came that no root held has signed.
    unsigned: bool,
    ask_at: Option<Instant>,
    pause: Duration,
}

#[derive(Debug)]
struct Incoming {
    held: Held,
    pulse: Pulse,
}

impl Known {
    /// A peer as the controller remembers it.
    pub(super) fn new(peer: &Peer, now: Instant) -> Result<Self, Why> {
        let controller = controller_id(&peer.trust_domain)?;
        let floor = |(cluster, (sequence, digest)): (&Cluster, &(u64, crate::catalog::Digest))| {
            let held = Held { sequence: *sequence, digest: *digest, exports: None };
            (cluster.clone(), Incoming { held, pulse: Pulse::resume(*sequence, Duration::ZERO, now) })
        };
        let mut known = Self {
            peer: peer.clone(),
            controller,
            held: None,
            store: TrustStore::new(),
            catalogs: peer.catalogs.iter().map(floor).collect(),
            acks: BTreeMap::new(),
            ahead: None,
            ahead_told: None,
            unsigned: false,
            ask_at: None,
            pause: ASK_FIRST,
        };
        if let Some(held) = &peer.held {
            known.hold(held.clone())?;
        }
        Ok(known)
    }

    /// The controller's newest word. `false`: it is another relation than the one that is known, and begins anew.
    pub(super) fn update(&mut self, peer: &Peer) -> bool {
        let same = self.peer.trust_domain == peer.trust_domain && self.peer.pin == peer.pin;
        if same {
            self.peer = peer.clone();
        }
        same
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The bundle held.
    pub(super) fn held(&self) -> Option<&HeldBundle> {
        self.held.as_ref()
    }

    /// What the hub is told is held.
    pub(super) fn holdings(&self, mesh: &MeshName) -> proto::Peer {
        let catalog = |(cluster, incoming): (&Cluster, &Incoming)| proto::HeldCatalog {
            cluster: cluster.to_string(),
            sequence: incoming.held.sequence,
            digest: incoming.held.digest.as_bytes().to_vec().into(),
            floor: incoming.held.exports.is_none(),
        };
        proto::Peer {
            mesh: mesh.to_string(),
            bundle: self.held.as_ref().map_or(0, HeldBundle::sequence),
            catalogs: self.catalogs.iter().map(catalog).collect(),
        }
    }

    /// When to ask the hub once more for what didn't fit.
    pub(super) fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    /// It has been asked.
    pub(super) fn asked(&mut self) {
        self.ask_at = None;
    }

    /// A chain of the peer's bundles. `None`: nothing in it is new.
    pub(super) fn bundle(
        &mut self,
        mesh: &MeshName,
        links: Vec<proto::SignedBundle>,
        now: Instant,
        wall: SystemTime,
    ) -> (Option<Event>, Result<(), Why>) {
        match self.advance(links, wall) {
            Ok((Some(held), refused)) => {
                // What was refused under the roots before may hold now. Asking for nothing would have all that is under way sent twice.
                if std::mem::take(&mut self.unsigned) {
                    self.ask_at = Some(now);
                    self.pause = ASK_FIRST;
                }
                let event = Event::Bundle { peer: mesh.clone(), held };
                (Some(event), refused.map_or(Ok(()), |refused| Err(refused.into())))
            }
            Ok((None, refused)) => (None, refused.map_or(Ok(()), |refused| Err(refused.into()))),
            Err(why) => (None, Err(why)),
        }
    }

    fn advance(
        &mut self,
        links: Vec<proto::SignedBundle>,
        wall: SystemTime,
    ) -> Result<(Option<HeldBundle>, Option<isthmus_identity::BundleRefused>), Why> {
        let chain = wire::read_chain(links)?;
        let advanced = match (&self.held, self.peer.pin) {
            (Some(held), _) => held.advance_all(&chain, wall),
            (None, Some(pin)) => HeldBundle::join(&self.peer.trust_domain, pin, &chain, wall)?,
            (None, None) => {
                return Err(
                    "the first bundle of a peer is taken by its digest: set spec.bundleDigest of the MeshPeer".into()
                );
            }
        };
        if self.held.as_ref() == Some(&advanced.held) {
            return Ok((None, advanced.refused));
        }
        self.hold(advanced.held.clone())?;
        Ok((Some(advanced.held), advanced.refused))
    }

    fn hold(&mut self, held: HeldBundle) -> Result<(), Why> {
        self.store.replace(std::slice::from_ref(held.bundle()))?;
        self.held = Some(held);
        Ok(())
    }

    /// A catalog. `None`: it is held already.
    pub(super) fn catalog(
        &mut self,
        line: &Line,
        sealed: proto::Sealed,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Option<Event>, Why> {
        let sealed = wire::read_sealed(sealed);
        let taken = self.open(wire::CATALOG, &sealed, wall).and_then(|payload| {
            let held = self.catalogs.get(&line.cluster).map(|incoming| &incoming.held);
            if held.is_none() && self.catalogs.len() >= MAX_CLUSTERS {
                return Err(format!("a mesh has at most {MAX_CLUSTERS} clusters").into());
            }
            Ok(receive::catalog(held, line, payload, wall)?)
        });
        let taken = match taken {
            Ok(taken) => taken,
            Err(why) => {
                if why.downcast_ref::<NotTaken>().is_none_or(NotTaken::wants_whole) {
                    self.distrust(&line.cluster, why.downcast_ref());
                    self.ask_again(now);
                }
                return Err(why);
            }
        };
        let (peer, cluster) = (line.mesh.clone(), line.cluster.clone());
        let (held, event) = match taken {
            Taken::Same => return Ok(None),
            Taken::Withdrawn(held) => (held, Event::Withdrawn { peer, cluster }),
            Taken::New(held) => {
                let (sequence, digest) = (held.sequence, held.digest);
                let exports = held.exports.clone().unwrap_or_else(|| Arc::new(crate::catalog::Exports::default()));
                (held, Event::Catalog { peer, cluster, sequence, digest, exports })
            }
        };
        self.pause = ASK_FIRST;
        let pulse = Pulse::begin(held.sequence, now);
        self.catalogs.insert(line.cluster.clone(), Incoming { held, pulse });
        Ok(Some(event))
    }

    /// A sign of life. `None`: it says nothing new.
    pub(super) fn heartbeat(
        &mut self,
        line: &Line,
        sealed: proto::Sealed,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Option<Event>, Why> {
        let sealed = wire::read_sealed(sealed);
        let beat = receive::heartbeat(line, self.open(wire::HEARTBEAT, &sealed, wall)?, wall);
        // What is given by a clock that is too far ahead isn't taken, but tells of that clock. Too far behind is what is old, too.
        if let Err(NotTaken::Clock { issued_at }) = beat {
            self.ahead = Some(issued_at.saturating_sub(receive::unix(wall))).filter(|ahead| *ahead > 0).or(self.ahead);
        }
        let Beat { sequence, counter, issued_at } = beat?;
        let incoming = self.catalogs.get_mut(&line.cluster);
        let held = incoming.as_ref().filter(|incoming| incoming.held.exports.is_some());
        if held.is_none_or(|incoming| incoming.held.sequence < sequence) {
            // There is a newer catalog than the one held: that one isn't fresh by this.
            self.ask_again(now);
            return Ok(None);
        }
        let news = incoming
            .is_some_and(|incoming| incoming.held.sequence == sequence && incoming.pulse.beat(sequence, counter, now));
        if news {
            self.ahead = Some(issued_at.saturating_sub(receive::unix(wall)));
        }
        let (peer, cluster) = (line.mesh.clone(), line.cluster.clone());
        Ok(news.then_some(Event::Heartbeat { peer, cluster, sequence, counter }))
    }

    /// How far its clock is ahead, where that isn't about what was told last.
    pub(super) fn clock(&mut self) -> Option<i64> {
        let ahead = self.ahead?;
        let news = self.ahead_told.is_none_or(|told| told.abs_diff(ahead) >= CLOCK_STEP);
        news.then(|| *self.ahead_told.insert(ahead))
    }

    /// How far this mesh's bundle has got there. `None`: it says nothing new.
    pub(super) fn acknowledgement(
        &mut self,
        line: &Line,
        sealed: proto::Sealed,
        wall: SystemTime,
    ) -> Result<Option<Event>, Why> {
        let sealed = wire::read_sealed(sealed);
        let payload = self.open(wire::ACKNOWLEDGEMENT, &sealed, wall)?;
        let message = proto::Acknowledgement::decode(payload)?;
        line.check(&message.mesh, &message.cluster, &message.audience)?;
        form::within("conflicts", message.conflicts.len(), MAX_CONFLICTS)?;
        let newest = self.acks.get(&line.cluster).copied().unwrap_or(0);
        if message.counter <= newest || (!self.acks.contains_key(&line.cluster) && self.acks.len() >= MAX_CLUSTERS) {
            return Ok(None);
        }
        let conflicts = message.conflicts.into_iter().map(conflict).collect::<Result<_, Why>>()?;
        self.acks.insert(line.cluster.clone(), message.counter);
        Ok(Some(Event::Acked {
            peer: line.mesh.clone(),
            cluster: line.cluster.clone(),
            sequence: message.bundle,
            trusting: message.trusting,
            total: message.total,
            conflicts,
        }))
    }

    /// The state of the mesh's roots, of another cluster of the own mesh.
    pub(super) fn custody(
        &mut self,
        line: &Line,
        sealed: proto::Sealed,
        wall: SystemTime,
    ) -> Result<Option<Event>, Why> {
        let sealed = wire::read_sealed(sealed);
        let message = proto::Custody::decode(self.open(wire::CUSTODY, &sealed, wall)?)?;
        line.check(&message.mesh, &message.cluster, &message.audience)?;
        let custody = Custody { sequence: message.sequence, closed: message.closed };
        Ok(Some(Event::Custody { cluster: line.cluster.clone(), custody }))
    }

    fn open<'a>(&mut self, purpose: &str, sealed: &'a Sealed, wall: SystemTime) -> Result<&'a [u8], Why> {
        let opened = wire::open(sealed, purpose, &self.store, &self.controller, wall);
        self.unsigned |= opened.is_err();
        Ok(opened?)
    }

    /// Content that a signed change doesn't fit to isn't held any more; that it was held is, so that nothing older is taken.
    fn distrust(&mut self, cluster: &Cluster, why: Option<&NotTaken>) {
        if let (Some(NotTaken::WrongDigest), Some(incoming)) = (why, self.catalogs.get_mut(cluster)) {
            incoming.held.exports = None;
        }
    }

    fn ask_again(&mut self, now: Instant) {
        if self.ask_at.is_none() {
            self.ask_at = now.checked_add(self.pause);
            self.pause = self.pause.saturating_mul(2).min(ASK_LONGEST);
        }
    }
}

fn conflict(message: proto::Conflict) -> Result<ToldConflict, Why> {
    Ok(ToldConflict {
        service: form::object_name(message.namespace, message.name)?,
        port: form::port("conflict.port", message.port)?,
        winner: form::parse("conflict.winner", &message.winner)?,
        loser: form::parse("conflict.loser", &message.loser)?,
        field: message.field.chars().take(20).collect(),
    })
}
