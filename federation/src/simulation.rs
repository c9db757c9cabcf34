//! Many meshes round one hub, by the real states of hub and members with real seals, over links and a clock that are simulated.
//!
//! Each mesh agrees with its neighbours in a ring. A message takes the link's delay; what the hub sends shares the hub's bandwidth. A link
//! that is cut loses what is on it, and both ends have to begin anew.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_api::federation::v1 as proto;
use prost::Message;

use crate::{
    catalog::{
        Exports,
        testing::{exports, service},
    },
    hub::{self, SessionId},
    member::Event,
    testing::{Controller, Trust, connect, hub, mesh},
};

mod report;
mod tests;

/// One way from a member to the hub.
const DELAY: Duration = Duration::from_millis(25);
/// What the hub can send, in bytes a second.
const HUB_BANDWIDTH: f64 = 125e6;
/// The longest that a member waits before it dials again.
const REDIAL: Duration = Duration::from_secs(2);
/// Meshes on either side in the ring that a mesh agrees with.
const NEIGHBOURS: usize = 2;
/// No simulated event takes longer than this.
const PATIENCE: Duration = Duration::from_mins(10);

/// How many of everything.
#[derive(Debug, Clone, Copy)]
struct Size {
    meshes: usize,
    clusters: usize,
    /// Of each cluster, all of them exported to each peer.
    services: usize,
}

enum Happening {
    Dial(usize),
    ToHub(usize, u64, proto::MemberMessage),
    ToMember(usize, u64, proto::HubMessage),
    Wake(usize),
}

/// What is to happen at a time; of equal times, what was planned first.
struct Planned {
    at: Duration,
    order: u64,
    what: Happening,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// One cluster's controller and its link.
struct Site {
    controller: Controller,
    session: Option<SessionId>,
    /// Counts connections: what was sent on an earlier one doesn't arrive.
    connection: u64,
    cut: bool,
    /// The digest of each catalog that it holds, by mesh and cluster.
    holds: BTreeMap<(String, String), crate::catalog::Digest>,
}

/// Bytes to and from the hub.
#[derive(Debug, Default, Clone, Copy)]
struct Traffic {
    up: usize,
    down: usize,
    messages: usize,
}

struct Simulation {
    size: Size,
    trust: BTreeMap<isthmus_core::federation::MeshName, Trust>,
    hub: hub::State,
    sites: Vec<Site>,
    sessions: BTreeMap<SessionId, usize>,
    plan: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    now: Duration,
    hub_free: Duration,
    traffic: Traffic,
    began: (Instant, SystemTime),
    chance: u64,
}

impl Simulation {
    fn new(size: Size) -> Self {
        // The testing hub lives in mesh `east`.
        let name = |index: usize| if index == 0 { "east".to_owned() } else { format!("m{index}") };
        let names: Vec<String> = (0..size.meshes).map(name).collect();
        let trust: BTreeMap<_, _> = names.iter().map(|n| (mesh(n), Trust::new(&format!("{n}.local")))).collect();
        let began = (Instant::now(), SystemTime::now());
        let mut simulation = Self {
            size,
            hub: hub(&trust),
            trust,
            sites: Vec::new(),
            sessions: BTreeMap::new(),
            plan: BinaryHeap::new(),
            planned: 0,
            now: Duration::ZERO,
            hub_free: Duration::ZERO,
            traffic: Traffic::default(),
            began,
            chance: 0x9e37_79b9_7f4a_7c15,
        };
        for (index, of) in names.iter().enumerate() {
            let around = (1..=NEIGHBOURS).flat_map(|step| [index + step, index + names.len() - step]);
            let peers: Vec<&String> = around.map(|at| &names[at % names.len()]).filter(|peer| *peer != of).collect();
            for cluster in 0..size.clusters {
                simulation.add(of, &format!("c{cluster}"), &peers);
            }
        }
        simulation
    }

    fn add(&mut self, of: &str, cluster: &str, peers: &[&String]) {
        let (own, east) = (&self.trust[&mesh(of)], &self.trust[&mesh("east")]);
        let mut controller = Controller::new(of, cluster, own, east, self.began.0);
        let all = Arc::new(catalog(of, cluster, self.size.services, &["tokena"]));
        for peer in peers {
            controller.offer.peers.insert(mesh(peer), self.trust[&mesh(peer)].peer());
            controller.offer.exports.insert(mesh(peer), Arc::clone(&all));
        }
        controller.state.offer(Arc::new(controller.offer.clone()), self.began.0);
        self.sites.push(Site { controller, session: None, connection: 0, cut: false, holds: BTreeMap::new() });
        self.dial(self.sites.len() - 1);
    }

    /// From 0 up to, but not including, 1.
    fn chance(&mut self) -> f64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn at(&self) -> (Instant, SystemTime) {
        (self.began.0 + self.now, self.began.1 + self.now)
    }

    fn plan(&mut self, at: Duration, what: Happening) {
        self.planned += 1;
        self.plan.push(Reverse(Planned { at, order: self.planned, what }));
    }

    fn dial(&mut self, site: usize) {
        let wait = REDIAL.mul_f64(self.chance());
        self.plan(self.now + wait, Happening::Dial(site));
    }

    /// The link of a site is cut: the hub sees its session end.
    fn cut(&mut self, site: usize) {
        let it = &mut self.sites[site];
        it.cut = true;
        it.connection += 1;
        if let Some(session) = it.session.take() {
            self.sessions.remove(&session);
            self.hub.close(session);
        }
    }

    fn mend(&mut self, site: usize) {
        self.sites[site].cut = false;
        self.dial(site);
    }

    /// A site's first service has other pods from now on, for all its peers.
    fn change(&mut self, site: usize, tokens: &[&str]) {
        let now = self.at().0;
        let services = self.size.services;
        let controller = &mut self.sites[site].controller;
        let (of, cluster) = (controller.offer.mesh.to_string(), controller.offer.cluster.to_string());
        let all = Arc::new(catalog(&of, &cluster, services, tokens));
        controller.offer.exports.values_mut().for_each(|exports| *exports = Arc::clone(&all));
        controller.state.offer(Arc::new(controller.offer.clone()), now);
        self.say(site);
    }

    /// The member says what it has to, and is woken when it will have more.
    fn say(&mut self, site: usize) {
        let (now, wall) = self.at();
        let it = &mut self.sites[site];
        if it.session.is_none() {
            return;
        }
        let connection = it.connection;
        let mut said = Vec::new();
        while let Some(message) = it.controller.state.next(&it.controller.svid, now, wall) {
            said.push(message);
        }
        let wake = it.controller.state.wake_at();
        for message in said {
            self.traffic.up += message.encoded_len();
            self.traffic.messages += 1;
            self.plan(self.now + DELAY, Happening::ToHub(site, connection, message));
        }
        if let Some(at) = wake {
            self.plan((at - self.began.0).max(self.now), Happening::Wake(site));
        }
    }

    /// The hub says what it has for anybody.
    fn relay(&mut self) {
        let sessions: Vec<(SessionId, usize)> = self.sessions.iter().map(|(id, site)| (*id, *site)).collect();
        for (session, site) in sessions {
            while let Some(message) = self.hub.next(session) {
                let bytes = message.encoded_len();
                self.traffic.down += bytes;
                self.traffic.messages += 1;
                self.hub_free = self.hub_free.max(self.now) + Duration::from_secs_f64(bytes as f64 / HUB_BANDWIDTH);
                let connection = self.sites[site].connection;
                self.plan(self.hub_free + DELAY, Happening::ToMember(site, connection, message));
            }
        }
    }

    /// Does everything that happens at the next moment; is there one?
    fn step(&mut self) -> bool {
        let Some(Reverse(first)) = self.plan.pop() else { return false };
        self.now = first.at;
        let mut heard = self.happen(first.what);
        while self.plan.peek().is_some_and(|Reverse(next)| next.at == self.now)
            && let Some(Reverse(next)) = self.plan.pop()
        {
            heard |= self.happen(next.what);
        }
        if heard {
            self.relay();
        }
        true
    }

    /// Has the hub heard something?
    fn happen(&mut self, what: Happening) -> bool {
        let (now, wall) = self.at();
        match what {
            Happening::Dial(site) => {
                let it = &mut self.sites[site];
                if it.cut || it.session.is_some() {
                    return false;
                }
                let session = connect(&mut self.hub, &mut it.controller);
                it.session = Some(session);
                it.connection += 1;
                self.sessions.insert(session, site);
                self.say(site);
                true
            }
            Happening::ToHub(site, connection, message) => {
                let it = &self.sites[site];
                let Some(session) = it.session.filter(|_| it.connection == connection) else { return false };
                assert!(self.hub.hear(session, message, wall).is_none(), "nothing is to be kept");
                true
            }
            Happening::ToMember(site, connection, message) => {
                let it = &mut self.sites[site];
                if it.connection != connection || it.cut {
                    return false;
                }
                it.controller.state.receive(message, now, wall);
                for event in it.controller.state.events() {
                    match event {
                        Event::Catalog { peer, cluster, digest, .. } => {
                            it.holds.insert((peer.to_string(), cluster.to_string()), digest);
                        }
                        Event::Refused { what, why, .. } => panic!("{what}: {why}"),
                        _ => {}
                    }
                }
                self.say(site);
                false
            }
            Happening::Wake(site) => {
                self.say(site);
                false
            }
        }
    }

    /// Lives on for a while.
    fn live(&mut self, time: Duration) {
        let end = self.now + time;
        while self.plan.peek().is_some_and(|Reverse(next)| next.at <= end) && self.step() {}
        self.now = end;
    }

    /// Lives until every connected site holds the newest catalog of every cluster of its peers; how long that took.
    fn converge(&mut self) -> Duration {
        let began = self.now;
        let wanted: BTreeMap<(String, String), crate::catalog::Digest> = self
            .sites
            .iter()
            .filter_map(|site| {
                let offer = &site.controller.offer;
                let exports = offer.exports.values().next()?;
                Some(((offer.mesh.to_string(), offer.cluster.to_string()), exports.digest()))
            })
            .collect();
        let done = |site: &Site| {
            let peers = &site.controller.offer.peers;
            let of_peers = wanted.iter().filter(|((of, _), _)| peers.contains_key(&mesh(of)));
            site.cut || of_peers.into_iter().all(|(key, digest)| site.holds.get(key) == Some(digest))
        };
        let mut behind: Vec<usize> = (0..self.sites.len()).collect();
        loop {
            behind.retain(|site| !done(&self.sites[*site]));
            if behind.is_empty() {
                return self.now - began;
            }
            assert!(self.now - began < PATIENCE, "{} sites never hold the newest", behind.len());
            // To the end of the moment's round trip: looking at all of them after each message takes longer than the rest.
            let end = self.now + DELAY;
            while self.plan.peek().is_some_and(|Reverse(next)| next.at <= end) && self.step() {}
            self.now = self.now.max(end);
        }
    }

    fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }
}

/// Services of one port; the first has these pods, the others one each.
fn catalog(of: &str, cluster: &str, services: usize, tokens: &[&str]) -> Exports {
    let names: Vec<String> = (0..services).map(|n| format!("{of}-{cluster}-service-{n}")).collect();
    let one = |(n, name): (usize, &String)| {
        let tokens = if n == 0 { tokens } else { &["tokenz"] };
        let mut service = service(1, &[(80, "http")], tokens);
        if let Some(service) = Arc::get_mut(&mut service) {
            for endpoint in service.endpoints.values_mut() {
                endpoint.spiffe_id = format!("spiffe://{of}.local/ns/shop/sa/web").parse().unwrap();
            }
        }
        (name.clone(), service)
    };
    let all: Vec<(String, Arc<crate::catalog::Service>)> = names.iter().enumerate().map(one).collect();
    let all: Vec<(&str, Arc<crate::catalog::Service>)> = all.iter().map(|(n, s)| (n.as_str(), Arc::clone(s))).collect();
    exports(&all)
}
