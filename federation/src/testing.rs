//! A hub and meshes in one process, with real certificates and no network: what one says the other hears, unless a hostile
//! hub stands between.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_api::federation::v1 as proto;
use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_identity::{Authority, Bundle, BundleDigest, Chain, HeldBundle, Keypair, SignedBundle, Svid};

use crate::{
    catalog::{
        Exports,
        testing::{exports, service},
    },
    hub::{self, SessionId},
    invitation::{Invitation, Terms},
    limits::HEARTBEAT,
    member::{self, Event, Offer, Peer},
    names::{Cluster, controller_id, hub_id},
};

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const YEAR: Duration = Duration::from_hours(24 * 365);

pub(crate) fn mesh(name: &str) -> MeshName {
    name.parse().unwrap()
}

pub(crate) fn cluster(name: &str) -> Cluster {
    name.parse().unwrap()
}

/// A mesh's roots and its controller.
pub(crate) struct Trust {
    pub(crate) domain: TrustDomain,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) chain: Chain,
    sequence: u64,
}

impl Trust {
    pub(crate) fn new(domain: &str) -> Self {
        let domain = TrustDomain::new(domain).unwrap();
        let authority = Authority::generate(domain.clone(), SystemTime::now(), YEAR).unwrap();
        let mut trust = Self { domain, authorities: vec![authority], chain: Chain::default(), sequence: 0 };
        trust.publish();
        trust
    }

    fn publish(&mut self) {
        self.sequence += 1;
        let signers: Vec<_> = self.authorities.iter().collect();
        let signed = SignedBundle::sign(&self.bundle(), HOUR, &signers).unwrap();
        self.chain.push(signed);
    }

    /// One more root, which signs from now on, beside those that there are.
    pub(crate) fn add_root(&mut self) {
        let authority = Authority::generate(self.domain.clone(), SystemTime::now(), YEAR).unwrap();
        self.authorities.insert(0, authority);
        self.publish();
    }

    pub(crate) fn retire_root(&mut self) {
        self.authorities.truncate(1);
        self.publish();
    }

    pub(crate) fn bundle(&self) -> Bundle {
        let roots = self.authorities.iter().map(|a| a.certificate().clone()).collect();
        Bundle { trust_domain: self.domain.clone(), roots, sequence: self.sequence }
    }

    pub(crate) fn digest(&self) -> BundleDigest {
        BundleDigest::of(&self.bundle())
    }

    pub(crate) fn held(&self) -> HeldBundle {
        HeldBundle::restore(self.domain.clone(), self.chain.newest().unwrap().document.clone()).unwrap()
    }

    pub(crate) fn controller(&self) -> Svid {
        self.svid(controller_id(&self.domain).unwrap().as_str(), SystemTime::now())
    }

    pub(crate) fn svid(&self, id: &str, now: SystemTime) -> Svid {
        let keypair = Keypair::generate().unwrap();
        let issued = self.authorities[0].issue(&keypair.csr().unwrap(), &id.parse().unwrap(), now, 24 * HOUR).unwrap();
        Svid::new(issued.chain, &keypair).unwrap()
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::new(self.domain.clone(), Some(self.digest()))
    }
}

/// A controller.
pub(crate) struct Controller {
    pub(crate) state: member::State,
    pub(crate) offer: Offer,
    pub(crate) svid: Svid,
    pub(crate) session: Option<SessionId>,
    pub(crate) heard: Vec<Event>,
    /// What time it is here, when it is that time elsewhere.
    pub(crate) clock: fn(SystemTime) -> SystemTime,
}

impl Controller {
    pub(crate) fn new(name: &str, of: &str, trust: &Trust, hub: &Trust, now: Instant) -> Self {
        let offer = Offer {
            mesh: mesh(name),
            cluster: cluster(of),
            trust_domain: trust.domain.clone(),
            chain: trust.chain.clone(),
            exports: BTreeMap::new(),
            peers: BTreeMap::new(),
            invitations: BTreeMap::new(),
            custody: None,
        };
        let state = member::State::new(Arc::new(offer.clone()), hub.held(), now);
        Self { state, offer, svid: trust.controller(), session: None, heard: Vec::new(), clock: |wall| wall }
    }

    /// The exports that were taken last, by peer and cluster.
    pub(crate) fn catalogs(&self) -> BTreeMap<(String, String), Arc<Exports>> {
        let mut catalogs = BTreeMap::new();
        for event in &self.heard {
            match event {
                Event::Catalog { peer, cluster, exports, .. } => {
                    catalogs.insert((peer.to_string(), cluster.to_string()), Arc::clone(exports));
                }
                Event::Withdrawn { peer, cluster } => {
                    catalogs.remove(&(peer.to_string(), cluster.to_string()));
                }
                _ => {}
            }
        }
        catalogs
    }

    pub(crate) fn refusals(&self) -> Vec<String> {
        let refusal = |event: &Event| match event {
            Event::Refused { what, why, .. } => Some(format!("{what}: {why}")),
            _ => None,
        };
        self.heard.iter().filter_map(refusal).collect()
    }
}

/// What a hostile hub makes of a message to a mesh.
pub(crate) type Hostility = Box<dyn FnMut(&MeshName, proto::HubMessage) -> Vec<proto::HubMessage>>;

pub(crate) struct World {
    pub(crate) hub: hub::State,
    pub(crate) trust: BTreeMap<MeshName, Trust>,
    pub(crate) controllers: BTreeMap<Cluster, Controller>,
    pub(crate) hostility: Option<Hostility>,
    pub(crate) now: Instant,
    pub(crate) wall: SystemTime,
}

impl World {
    /// A hub in mesh `east`, and these meshes, all admitted, each of one cluster of its name. Nobody agrees with anybody.
    pub(crate) fn new(others: &[&str]) -> Self {
        let names = std::iter::once("east").chain(others.iter().copied());
        let trust: BTreeMap<_, _> = names.map(|name| (mesh(name), Trust::new(&format!("{name}.local")))).collect();
        let now = Instant::now();
        let mut world = Self {
            hub: hub(&trust),
            controllers: BTreeMap::new(),
            trust,
            hostility: None,
            now,
            wall: SystemTime::now(),
        };
        for name in world.trust.keys().cloned().collect::<Vec<_>>() {
            world.start(name.as_str(), name.as_str());
        }
        world
    }

    /// Starts a controller.
    pub(crate) fn start(&mut self, of: &str, name: &str) {
        let controller = Controller::new(of, name, &self.trust[&mesh(of)], &self.trust[&mesh("east")], self.now);
        self.controllers.insert(cluster(name), controller);
    }

    /// A hub that has lost everything but what it keeps.
    pub(crate) fn restart_hub(&mut self) {
        self.hub = hub(&self.trust);
        self.controllers.values_mut().for_each(|controller| controller.session = None);
    }

    pub(crate) fn at(&mut self, name: &str) -> &mut Controller {
        self.controllers.get_mut(&cluster(name)).unwrap()
    }

    pub(crate) fn offer(&mut self, name: &str, edit: impl FnOnce(&mut Offer)) {
        let now = self.now;
        let controller = self.at(name);
        edit(&mut controller.offer);
        controller.state.offer(Arc::new(controller.offer.clone()), now);
    }

    /// Both agree with each other.
    pub(crate) fn join(&mut self, one: &str, other: &str) {
        for (name, peer) in [(one, other), (other, one)] {
            let trust = self.trust[&mesh(peer)].peer();
            self.offer(name, |offer| drop(offer.peers.insert(mesh(peer), trust)));
        }
    }

    /// A service of one pod for each token, for one peer.
    pub(crate) fn export(&mut self, name: &str, to: &str, tokens: &[&str]) -> Arc<Exports> {
        let all = Arc::new(exports(&[("web", service(1, &[(80, "http")], tokens))]));
        let given = Arc::clone(&all);
        self.offer(name, |offer| drop(offer.exports.insert(mesh(to), given)));
        all
    }

    /// Everybody connects, and says and hears all that there is.
    pub(crate) fn settle(&mut self) {
        let (now, wall) = (self.now, self.wall);
        for _ in 0..10_000 {
            let mut quiet = true;
            for controller in self.controllers.values_mut() {
                let here = (controller.clock)(wall);
                let id = match controller.session {
                    Some(id) => id,
                    None => connect(&mut self.hub, controller),
                };
                controller.session = Some(id);
                while let Some(message) = controller.state.next(&controller.svid, now, here) {
                    quiet = false;
                    match self.hub.hear(id, message, wall) {
                        Some(hub::Keep::Invitation(id, record)) => self.hub.announced(id, record),
                        Some(hub::Keep::Used(..) | hub::Keep::Forget(_)) | None => {}
                    }
                }
                while let Some(message) = self.hub.next(id) {
                    quiet = false;
                    let messages = match &mut self.hostility {
                        Some(hostility) => hostility(&controller.offer.mesh, message),
                        None => vec![message],
                    };
                    messages.into_iter().for_each(|message| controller.state.receive(message, now, here));
                }
                controller.heard.extend(controller.state.events());
            }
            if quiet {
                return;
            }
        }
        panic!("they never come to an end");
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall += time;
    }

    /// Time passes with everybody saying what they have to.
    pub(crate) fn live(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.pass(HEARTBEAT);
            self.settle();
        }
    }

    /// An invitation by a mesh, which it announces.
    pub(crate) fn invite(&mut self, inviter: &str) -> Arc<Invitation> {
        let (hub, own) = (&self.trust[&mesh("east")], &self.trust[&mesh(inviter)]);
        let terms = Terms {
            hub: vec!["hub.example:15030".into()],
            hub_identity: hub_id(&hub.domain).unwrap(),
            hub_bundle: hub.digest(),
            mesh: mesh(inviter),
            trust_domain: own.domain.clone(),
            bundle: own.digest(),
            expires: crate::catalog::receive::unix(self.wall + HOUR),
        };
        let invitation = Arc::new(Invitation::generate(terms).unwrap());
        let made = Arc::clone(&invitation);
        self.offer(inviter, |offer| drop(offer.invitations.insert(made.id, made)));
        self.settle();
        invitation
    }
}

pub(crate) fn hub(trust: &BTreeMap<MeshName, Trust>) -> hub::State {
    let record = |(mesh, trust): (&MeshName, &Trust)| hub::MemberRecord {
        mesh: mesh.clone(),
        trust_domain: trust.domain.clone(),
        held: Some(trust.held()),
        chain: trust.chain.clone(),
    };
    let own = &trust[&mesh("east")].domain;
    hub::State::new(mesh("east"), own.clone(), trust.iter().map(record).collect(), BTreeMap::new())
}

pub(crate) fn connect(hub: &mut hub::State, controller: &mut Controller) -> SessionId {
    let hello = controller.state.hello("test");
    let Some(proto::member_message::Message::Hello(hello)) = hello.message else { panic!("Hello comes first") };
    let (mesh, cluster) = hub.admit(controller.svid.id(), &hello).unwrap();
    hub.open(mesh, cluster).0
}

impl World {
    /// A controller's certificate is another one, for what it seals and not for its session.
    pub(crate) fn settle_as(&mut self, name: &str, svid: Svid) {
        let honest = std::mem::replace(&mut self.at(name).svid, svid);
        let id = {
            let controller = self.controllers.get_mut(&cluster(name)).unwrap();
            let Some(proto::member_message::Message::Hello(hello)) = controller.state.hello("test").message else {
                panic!("Hello comes first")
            };
            let (mesh, cluster) = self.hub.admit(honest.id(), &hello).unwrap();
            self.hub.open(mesh, cluster).0
        };
        self.at(name).session = Some(id);
        self.settle();
    }
}
