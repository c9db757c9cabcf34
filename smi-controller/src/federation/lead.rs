//! What the replica that leads does for federation, over and over: looks at what this mesh is and at what has been heard, and
//! makes objects, the member and proxies agree with that.

mod deeds;
mod joining;
mod siblings;
mod writing;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_core::{federation::MeshName, id::ObjectName};
use isthmus_federation::{
    invitation::{Invitation, InvitationId},
    member::{Custody, Event, HubRef, Trust},
};
use isthmus_identity::HeldBundle;
use isthmus_k8s::federation::{Mesh, MeshPeer, MeshPeerStatus, invitation::Side};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt, api::ListParams};

use self::{joining::Joining, writing::Cutting};
use super::{
    dial::Member,
    endpoints::Endpoints,
    invitations,
    links::{self, NoMember},
    lookups::{self, Lookups},
    offer::{self, Own},
    session::{Deed, Session},
    statuses,
    task::Parts,
    writes::Writes,
};
use crate::{
    compile::Outlook,
    fault::{Kind, ObjectRef},
    index::{Hub, Told, Update},
};

/// How long changes are gathered before they are told.
const GATHER: Duration = Duration::from_millis(50);
/// How often it is looked at what tells nobody: time itself, Secrets, and how far proxies are.
const PERIOD: Duration = Duration::from_secs(1);
/// The same while a peer is cut off.
const CUTTING_PERIOD: Duration = Duration::from_millis(20);
/// Most deeds that wait for an API server that is away.
const MAX_DEEDS: usize = 1000;

pub(super) struct Lead<'p> {
    parts: &'p Parts,
    own: &'p Own,
    secrets: Api<Secret>,
    writes: Writes,
    session: Session,
    began: SystemTime,
    outlook: Outlook,
    /// When it was told last that the outlook changes.
    told: Instant,
    member: Option<Member>,
    /// The bundle of the hub's mesh as it was kept.
    hub_bundle: Option<HeldBundle>,
    invitations: BTreeMap<InvitationId, invitations::Open>,
    look_at_secrets: Instant,
    joining: Joining,
    endpoints: Endpoints,
    lookups: Lookups,
    deeds: VecDeque<Deed>,
    /// How far the bundle of each peer has got among the proxies, as far as it is known.
    trust: BTreeMap<MeshName, Trust>,
    cutting: BTreeMap<ObjectName, Cutting>,
    /// The state of the roots, closed for the mesh's other clusters.
    closed: Option<Custody>,
    /// The sequence of a state that couldn't be opened.
    unopened: u64,
    /// What others have told of this mesh's exports, as it was said here.
    said: BTreeMap<ObjectName, BTreeSet<Told>>,
    /// What was refused of whom, and when that was told.
    refusals: BTreeMap<(Option<MeshName>, &'static str), Instant>,
}

impl<'p> Lead<'p> {
    /// With what was kept.
    pub(super) async fn begin(parts: &'p Parts, own: &'p Own, namespace: &str) -> Result<Self, kube::Error> {
        let now = (Instant::now(), SystemTime::now());
        let mut session = Session::default();
        for peer in Api::<MeshPeer>::all(parts.client.clone()).list(&ListParams::default()).await? {
            if let (Ok(mesh), Some(status)) = (peer.name_any().parse(), &peer.status) {
                session.restore(mesh, status, now);
            }
        }
        let outlook = parts.hub.with(|registry| registry.outlook());
        let mesh = Api::<Mesh>::all(parts.client.clone()).get_opt(own.mesh.as_str()).await?;
        if let Some(status) = mesh.and_then(|mesh| mesh.status) {
            let kept =
                MeshPeerStatus { catalogs: status.catalogs, last_contact: status.last_contact, ..Default::default() };
            session.restore(own.mesh.clone(), &kept, now);
        }
        let mut lead = Self {
            parts,
            own,
            secrets: Api::namespaced(parts.client.clone(), namespace),
            writes: Writes::new(parts.client.clone()),
            session,
            began: now.1,
            outlook,
            told: now.0,
            member: None,
            hub_bundle: None,
            invitations: BTreeMap::new(),
            look_at_secrets: now.0,
            joining: Joining::default(),
            endpoints: Endpoints::default(),
            lookups: Lookups::new(lookups::system()),
            deeds: VecDeque::new(),
            trust: BTreeMap::new(),
            cutting: BTreeMap::new(),
            closed: None,
            unopened: 0,
            said: BTreeMap::new(),
            refusals: BTreeMap::new(),
        };
        lead.hub_bundle = lead.kept_hub().await?;
        Ok(lead)
    }

    async fn kept_hub(&self) -> Result<Option<HeldBundle>, kube::Error> {
        let mesh = Api::<Mesh>::all(self.parts.client.clone()).get_opt(self.own.mesh.as_str()).await?;
        let Some(mesh) = mesh else { return Ok(None) };
        let domain = mesh.spec.hub.and_then(|hub| hub.identity.parse::<isthmus_core::id::SpiffeId>().ok());
        let kept = mesh.status.and_then(|status| status.hub?.bundle);
        let held = domain
            .zip(kept)
            .map(|(hub, kept)| HeldBundle::restore(hub.trust_domain().clone(), kept.document.into_bytes()));
        Ok(held.and_then(|held| {
            held.inspect_err(
                |error| tracing::warn!(%error, "status.hub.bundle of the own Mesh can't be read: join anew"),
            )
            .ok()
        }))
    }

    /// For as long as it is polled.
    pub(super) async fn run(mut self) {
        let mut next = tokio::time::Instant::now();
        let mut news = true;
        loop {
            if news || tokio::time::Instant::now() >= next {
                self.look().await;
                let period = if self.cutting.is_empty() { PERIOD } else { CUTTING_PERIOD };
                next = tokio::time::Instant::now() + period;
            }
            let Self { member, joining, endpoints, lookups, parts, .. } = &mut self;
            let hear = async {
                match member {
                    Some(member) => member.hear().await,
                    None => std::future::pending().await,
                }
            };
            news = tokio::select! {
                event = hear => match event {
                    Some(event) => self.take(event),
                    // It ends only when it is stopped, or broke: another one is started.
                    None => {
                        self.member = None;
                        true
                    }
                },
                joined = joining.next() => {
                    self.joined(joined).await;
                    true
                }
                (peer, answer) = endpoints.next() => self.take(published(peer, answer)),
                (host, answer) = lookups.next() => {
                    self.session.catalogs.found(&host, answer, Instant::now());
                    true
                }
                () = parts.hub.outlook.notified() => {
                    self.told = Instant::now();
                    tokio::time::sleep(GATHER).await;
                    true
                }
                () = tokio::time::sleep_until(next) => false,
            };
        }
    }

    /// Takes an event in, and those that have come with it. `true`: something is to be done about them before the next look
    /// at the time, which signs of life can wait for.
    fn take(&mut self, event: Event) -> bool {
        let now = (Instant::now(), SystemTime::now());
        let mut next = Some(event);
        let mut news = false;
        while let Some(event) = next {
            news |= !matches!(event, Event::Heartbeat { .. } | Event::Acked { .. });
            if let Some(deed) = self.session.take(event, now)
                && self.deeds.len() < MAX_DEEDS
            {
                self.deeds.push_back(deed);
            }
            next = self.member.as_mut().and_then(Member::heard);
        }
        news
    }

    async fn look(&mut self) {
        if self.parts.hub.with(|registry| registry.has_other_outlook()) {
            self.outlook = self.parts.hub.with(|registry| registry.outlook());
        }
        let Self { session, outlook, own, .. } = self;
        session.retain(|mesh| outlook.peers.contains_key(mesh) || *mesh == own.mesh);
        self.endpoints.ask(self.outlook.peers.iter().map(|(mesh, peer)| (mesh, &peer.content)));
        self.session.catalogs.ask(Instant::now()).into_iter().for_each(|host| self.lookups.ask(host));
        self.look_at_invitations().await;
        self.do_deeds().await;
        self.look_at_trust();
        self.follow().await;
        let no_member = self.dial();
        let links = links::links(&self.outlook, &self.session, no_member.as_ref());
        let told = self.session.told();
        self.parts.hub.with(|registry| {
            links.into_iter().for_each(|(object, link)| registry.set_link(object, link));
            if self.said != told {
                registry.update([Update::Told(told.clone())]);
            }
        });
        self.said = told;
        self.write(no_member.is_none()).await;
        self.cut_off().await;
        let mut standings = self.session.standings(self.began);
        standings.retain(|standing| standing.mesh != self.own.mesh);
        if let Some(cluster) = offer::cluster(self.own, &self.outlook) {
            self.parts.others.siblings.send_replace(self.session.siblings(&self.own.mesh, &cluster));
        }
        self.parts.peers.send_replace(standings);
        self.parts.metrics.show(&self.session, Instant::now());
    }

    async fn look_at_invitations(&mut self) {
        let now = Instant::now();
        if now < self.look_at_secrets {
            return;
        }
        self.look_at_secrets = now + PERIOD;
        let secrets = match invitations::list(&self.secrets).await {
            Ok(secrets) => secrets,
            Err(error) => return tracing::warn!(%error, "couldn't look at invitations: trying again"),
        };
        self.invitations.clear();
        for secret in secrets {
            match invitations::read(&secret, SystemTime::now()) {
                invitations::Found::Open(open) => drop(self.invitations.insert(open.id(), open)),
                invitations::Found::Close(name, mark) => self.mark(&name, &mark).await,
                invitations::Found::Over => {}
            }
        }
        self.take_up(now);
    }

    /// Has the member that is needed. Else says why there is none.
    fn dial(&mut self) -> Option<NoMember> {
        let Some(hub) = self.outlook.mesh.as_ref().and_then(|mesh| mesh.content.hub.clone()) else {
            self.member = None;
            return Some(NoMember::NoHub);
        };
        self.member.take_if(|member| !member.is_for(&hub));
        let Some(offer) = self.offer() else {
            self.member = None;
            return Some(NoMember::NotJoined("the cluster's name isn't one: see spec.cluster".to_owned()));
        };
        if let Some(member) = &self.member {
            member.offer(offer);
            return None;
        }
        let Some(held) = self.bundle_of(&hub) else {
            return Some(NoMember::NotJoined(format!(
                "no bundle of {}, the hub's mesh, is known: join with an invitation",
                hub.identity.trust_domain()
            )));
        };
        let known = HubRef { addresses: vec![hub.address.as_str().into()], identity: hub.identity.clone(), held };
        self.session.hub = Default::default();
        self.member = Some(Member::start(hub, known, self.parts.svid.clone(), offer));
        None
    }

    fn offer(&mut self) -> Option<isthmus_federation::member::Offer> {
        let custody = self.custody();
        let chain = self.parts.roots.borrow().chain().clone();
        let open = self.invitations.values().filter(|open| open.side == Side::Inviter);
        let invitations: BTreeMap<InvitationId, Arc<Invitation>> =
            open.map(|open| (open.id(), open.invitation.clone())).collect();
        offer::offer(self.own, &chain, &self.outlook, &self.session, &self.trust, invitations, custody)
    }

    /// Looks how far the bundle of each peer has got among the proxies. While that isn't known of all, what was told before stays.
    fn look_at_trust(&mut self) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let known: BTreeMap<MeshName, Trust> = self.parts.hub.with(|registry| {
            let of = |(mesh, peer): (&MeshName, &crate::index::Object<crate::index::Peer>)| {
                let object = ObjectRef { kind: Kind::MeshPeer, name: peer.name.clone() };
                let sequence = registry.index().peers.get(&peer.name)?.content.bundle.as_ref()?.sequence();
                let (_, effect) = registry.state_of(&object)?;
                let (trusting, total) = (number(effect.programmed), number(effect.concerned));
                effect.unknown.is_none().then(|| (mesh.clone(), Trust { sequence, trusting, total }))
            };
            self.outlook.peers.iter().filter_map(of).collect()
        });
        self.trust.retain(|mesh, _| self.outlook.peers.contains_key(mesh));
        self.trust.extend(known);
        self.trust.insert(self.own.mesh.clone(), *self.parts.others.progress.borrow());
    }

    /// What is known of the mesh that a hub is in.
    fn bundle_of(&self, hub: &Hub) -> Option<HeldBundle> {
        let domain = hub.identity.trust_domain();
        if *domain == self.own.trust_domain {
            return statuses::own_bundle(self.parts.roots.borrow().chain());
        }
        let peers = self.outlook.peers.values().filter_map(|peer| peer.content.bundle.as_ref());
        let known = self.session.hub_bundle.iter().chain(&self.hub_bundle).chain(peers);
        known.filter(|held| held.trust_domain() == domain).max_by_key(|held| held.sequence()).cloned()
    }
}

/// What a bundle endpoint has said, as if the member had heard it.
fn published(peer: MeshName, answer: Result<HeldBundle, String>) -> Event {
    match answer {
        Ok(held) => Event::Bundle { peer, held },
        Err(why) => Event::Refused { peer: Some(peer), what: "bundle".into(), why },
    }
}
