//! A mesh and its peers with a simulated clock: whatever happens in whatever order, no two proxies that hold a valid leaf are
//! cut off from each other by a rotation, and no peer's proxies from ours.

use proptest::prelude::*;

use super::*;

const LEAF: Duration = Duration::from_hours(24);
const PROXIES: usize = 4;
const PEERS: usize = 2;

/// A proxy, with what it knows and shows.
#[derive(Debug, Clone)]
struct Proxy {
    connected: bool,
    refuses: bool,
    /// The sequence and the roots that it holds.
    bundle: (u64, Vec<RootId>),
    leaf: RootId,
    expires: SystemTime,
}

/// Another mesh, with the newest of our bundles that all its proxies hold.
#[derive(Debug, Clone)]
struct Peer {
    contact: Contact,
    refuses: bool,
    bundle: (u64, Vec<RootId>),
    /// It was out of contact for so long that nobody waits for it, and hasn't heard from us since.
    given_up: bool,
}

#[derive(Debug, Clone)]
enum Event {
    /// A proxy hears of the present bundle, if it is connected.
    Hear(usize),
    /// A proxy renews its leaf, if it can: with it come the roots.
    Renew(usize),
    Leave(usize),
    Return(usize),
    Refuse(usize, bool),
    /// A peer's proxies all take the present bundle, if it is connected.
    PeerHear(usize),
    PeerLeave(usize),
    PeerReturn(usize),
    PeerRefuse(usize, bool),
    /// The user asks for this root.
    Want(u8),
    Minutes(u16),
    /// The controller looks whether it can go on; a restart in between changes nothing, for it has no other state.
    Step,
}

struct World {
    rotation: Rotation,
    wanted: RootId,
    now: SystemTime,
    proxies: Vec<Proxy>,
    peers: Vec<Peer>,
}

fn root(n: u8) -> RootId {
    RootId([n; 32])
}

impl World {
    fn new() -> Self {
        let now = UNIX_EPOCH + Duration::from_hours(24 * 365 * 56);
        let rotation = Rotation::begin(root(0), LEAF, now);
        let proxy = Proxy {
            connected: true,
            refuses: false,
            bundle: (rotation.sequence, rotation.roots().collect()),
            leaf: root(0),
            expires: now + LEAF,
        };
        let peer = Peer { contact: Contact::Connected, refuses: false, bundle: proxy.bundle.clone(), given_up: false };
        Self { rotation, wanted: root(0), now, proxies: vec![proxy; PROXIES], peers: vec![peer; PEERS] }
    }

    fn standings(&self) -> Vec<PeerStanding> {
        let standing = |(n, peer): (usize, &Peer)| PeerStanding {
            mesh: format!("peer-{n}").parse().unwrap(),
            contact: peer.contact,
            sequence: peer.bundle.0,
            proxies: Propagation::default(),
            refusal: peer.refuses.then(|| "no".into()),
        };
        self.peers.iter().enumerate().map(standing).collect()
    }

    fn census(&self) -> Census {
        let standing = |proxy: &Proxy| match self.rotation.phase.duty() {
            _ if !proxy.connected => Standing::Absent,
            Duty::None => Standing::Done,
            Duty::HoldBundle if proxy.bundle.0 == self.rotation.sequence => Standing::Done,
            Duty::HoldBundle if proxy.refuses => Standing::Refused("no".into()),
            Duty::LeafOf(root) if proxy.leaf == root => Standing::Done,
            _ => Standing::Behind,
        };
        Census::of(self.proxies.iter().map(standing).enumerate())
    }

    fn take(&mut self, event: &Event) {
        let present = (self.rotation.sequence, self.rotation.roots().collect::<Vec<_>>());
        match *event {
            Event::Hear(n) if self.proxies[n].connected && !self.proxies[n].refuses => self.proxies[n].bundle = present,
            Event::Renew(n) if self.proxies[n].connected && !self.proxies[n].refuses => {
                let proxy = &mut self.proxies[n];
                (proxy.bundle, proxy.leaf, proxy.expires) = (present, self.rotation.phase.signer(), self.now + LEAF);
            }
            Event::Leave(n) => self.proxies[n].connected = false,
            // It has to trust the controller's own leaf to come back.
            Event::Return(n) => {
                let trusts = self.proxies[n].bundle.1.contains(&self.rotation.phase.elder());
                self.proxies[n].connected = trusts;
            }
            Event::Refuse(n, refuses) => self.proxies[n].refuses = refuses,
            Event::PeerHear(n) if self.peers[n].contact == Contact::Connected && !self.peers[n].refuses => {
                let peer = &mut self.peers[n];
                (peer.bundle, peer.given_up) = (present, false);
            }
            Event::PeerLeave(n) if self.peers[n].contact == Contact::Connected => {
                self.peers[n].contact = Contact::LostAt(self.now);
            }
            Event::PeerReturn(n) => self.peers[n].contact = Contact::Connected,
            Event::PeerRefuse(n, refuses) => self.peers[n].refuses = refuses,
            Event::Want(n) => self.wanted = root(n),
            Event::Minutes(minutes) => {
                self.now += Duration::from_mins(minutes.into());
                let bound = LEAF + ABSENCE_SLACK;
                for peer in &mut self.peers {
                    let gone = |lost: SystemTime| self.now.duration_since(lost).unwrap() >= bound;
                    peer.given_up |= matches!(peer.contact, Contact::LostAt(lost) if gone(lost));
                }
            }
            Event::Step => {
                let (census, peers) = (self.census(), self.standings());
                let facts = Facts {
                    wanted: self.wanted,
                    signer_expired: false,
                    leaf_lifetime: LEAF,
                    census: &census,
                    peers: &peers,
                    obstacle: None,
                };
                if let Step::Advance(next) = self.rotation.step(&facts, self.now) {
                    assert!(next.sequence > self.rotation.sequence);
                    self.rotation = next;
                }
            }
            Event::Hear(_) | Event::Renew(_) | Event::PeerHear(_) | Event::PeerLeave(_) => {}
        }
    }

    /// Whoever holds a valid leaf is believed by whoever else does, and by the controller.
    fn nobody_is_cut_off(&self) -> bool {
        let alive = || self.proxies.iter().filter(|proxy| proxy.expires > self.now);
        alive().all(|shows| alive().all(|sees| sees.bundle.1.contains(&shows.leaf)))
            && alive().all(|shows| self.rotation.roots().any(|root| root == shows.leaf))
            && alive().all(|sees| sees.bundle.1.contains(&self.rotation.phase.elder()))
    }

    /// Whoever holds a valid leaf is believed by every peer that nobody had reason to give up.
    fn no_peer_is_cut_off(&self) -> bool {
        let alive = || self.proxies.iter().filter(|proxy| proxy.expires > self.now);
        let peers = || self.peers.iter().filter(|peer| !peer.given_up);
        peers().all(|sees| alive().all(|shows| sees.bundle.1.contains(&shows.leaf)))
    }
}

fn event() -> impl Strategy<Value = Event> {
    let (proxy, peer) = (0..PROXIES, 0..PEERS);
    prop_oneof![
        4 => proxy.clone().prop_map(Event::Hear),
        4 => proxy.clone().prop_map(Event::Renew),
        1 => proxy.clone().prop_map(Event::Leave),
        2 => proxy.clone().prop_map(Event::Return),
        1 => (proxy, any::<bool>()).prop_map(|(n, refuses)| Event::Refuse(n, refuses)),
        4 => peer.clone().prop_map(Event::PeerHear),
        1 => peer.clone().prop_map(Event::PeerLeave),
        2 => peer.clone().prop_map(Event::PeerReturn),
        1 => (peer, any::<bool>()).prop_map(|(n, refuses)| Event::PeerRefuse(n, refuses)),
        1 => (0_u8..4).prop_map(Event::Want),
        2 => (0_u16..2_000).prop_map(Event::Minutes),
        6 => Just(Event::Step),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_cuts_off_a_valid_leaf(events in prop::collection::vec(event(), 1..200)) {
        let mut world = World::new();
        for (n, event) in events.iter().enumerate() {
            world.take(event);
            prop_assert!(world.nobody_is_cut_off(), "after {n}: {event:?}\n{:?}\n{:#?}", world.rotation, world.proxies);
            prop_assert!(world.no_peer_is_cut_off(), "after {n}: {event:?}\n{:?}\n{:#?}", world.rotation, world.peers);
        }
    }

    #[test]
    fn a_rotation_ends_when_all_do_their_part(events in prop::collection::vec(event(), 0..60)) {
        let mut world = World::new();
        events.iter().for_each(|event| world.take(event));
        // All pods are made anew, with the present roots, and nobody asks for another root any more.
        let (present, now) = ((world.rotation.sequence, world.rotation.roots().collect::<Vec<_>>()), world.now);
        for proxy in &mut world.proxies {
            let (leaf, bundle) = (world.rotation.phase.signer(), present.clone());
            *proxy = Proxy { connected: true, refuses: false, bundle, leaf, expires: now + LEAF };
        }
        world.peers[0].refuses = false;
        world.peers[1].refuses = false;
        world.take(&Event::PeerReturn(0));
        // The other one is gone for good.
        world.take(&Event::PeerLeave(1));
        world.take(&Event::Minutes(24 * 60 + 2));
        for n in 0..PROXIES {
            world.take(&Event::Renew(n));
        }
        for _ in 0..6 {
            world.take(&Event::Minutes(1));
            world.take(&Event::Step);
            for n in 0..PROXIES {
                world.take(&Event::Hear(n));
                world.take(&Event::Renew(n));
            }
            world.take(&Event::PeerHear(0));
        }
        prop_assert_eq!(world.rotation.phase, Phase::Steady { root: world.wanted });
    }
}
