//! Whatever proxies, replicas and the network between them do: no replica says that all proxies hold a peer's bundle while one that
//! it knows of doesn't, and none counts a proxy twice.

use std::collections::VecDeque;

use isthmus_api::control::v1::{ControllerMessage, controller_message::Content};
use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::*;
use crate::serve::FollowerId;

const REPLICAS: usize = 3;
const PROXIES: usize = 4;

#[derive(Debug, Clone)]
enum Act {
    /// The peer's root is rotated; each replica learns of it when it does.
    Rotate,
    Learn(usize),
    /// A proxy connects to a replica. `noticed`: the one that it was connected to notices at once that it has gone.
    Connect {
        proxy: usize,
        replica: usize,
        noticed: bool,
    },
    Leave(usize),
    /// A replica notices that those have gone who have.
    Notice(usize),
    /// A proxy takes over what it is sent next, or refuses it. `says`: its acknowledgement arrives.
    Take {
        proxy: usize,
        says: bool,
    },
    /// A report is on its way; it arrives; the stream breaks.
    Tell(usize, usize),
    Arrive(usize, usize),
    Break(usize, usize),
    /// A replica ends, and its pod is gone, which each other learns of at once.
    End(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let (replica, proxy) = (|| 0..REPLICAS, || 0..PROXIES);
    prop_oneof![
        2 => Just(Act::Rotate),
        4 => replica().prop_map(Act::Learn),
        4 => (proxy(), replica(), any::<bool>())
            .prop_map(|(proxy, replica, noticed)| Act::Connect { proxy, replica, noticed }),
        1 => proxy().prop_map(Act::Leave),
        3 => replica().prop_map(Act::Notice),
        8 => (proxy(), proptest::bool::weighted(0.9)).prop_map(|(proxy, says)| Act::Take { proxy, says }),
        8 => (replica(), replica()).prop_map(|(a, b)| Act::Tell(a, b)),
        8 => (replica(), replica()).prop_map(|(a, b)| Act::Arrive(a, b)),
        1 => (replica(), replica()).prop_map(|(a, b)| Act::Break(a, b)),
        1 => replica().prop_map(Act::End),
    ]
}

/// What one replica hears of another.
#[derive(Default)]
struct Stream {
    follower: Option<FollowerId>,
    on_its_way: VecDeque<Report>,
}

struct Replica {
    registry: Registry,
    learnt: usize,
    /// Sessions whose proxies have gone.
    ghosts: Vec<SessionId>,
    ended: bool,
}

#[derive(Default)]
struct Proxy {
    seat: Option<(usize, SessionId)>,
    /// The version of the roots that it has, and the sequence of west's bundle in them.
    holds: Option<(String, u64)>,
}

struct World {
    replicas: Vec<Replica>,
    streams: BTreeMap<(usize, usize), Stream>,
    proxies: Vec<Proxy>,
    /// All writings of the peer.
    peers: Vec<Value>,
}

fn name(replica: usize) -> String {
    format!("isthmus-controller-{replica}")
}

fn pod_of(proxy: usize) -> ObjectName {
    ObjectName::new("shop", format!("web-{proxy}"))
}

impl World {
    fn new() -> Self {
        let (bundle, peers) = (own_bundle(), vec![peer("west")]);
        let pods = (0..PROXIES).map(|n| pod(&format!("web-{n}"), "web", &format!("10.42.0.{}", 100 + n)));
        let controllers = (0..REPLICAS).map(|n| replica(&name(n), &format!("10.42.0.{}", 10 + n)));
        let manifests: Vec<Value> = pods.chain(controllers).chain(peers.clone()).collect();
        let make = |n| {
            let mut registry = Registry::new(index_of([]), vec![bundle.clone()]);
            registry.update(manifests.iter().cloned().map(applied));
            registry.set_replica(&name(n));
            Replica { registry, learnt: 0, ghosts: Vec::new(), ended: false }
        };
        let proxies = (0..PROXIES).map(|_| Proxy::default()).collect();
        Self { replicas: (0..REPLICAS).map(make).collect(), streams: BTreeMap::new(), proxies, peers }
    }

    fn leave(&mut self, proxy: usize, noticed: bool) {
        if let Some((replica, id)) = self.proxies[proxy].seat.take() {
            match noticed {
                true => self.replicas[replica].registry.close(id),
                false => self.replicas[replica].ghosts.push(id),
            }
        }
    }

    fn take(&mut self, proxy: usize, says: bool) {
        let Proxy { seat: Some((replica, id)), holds } = &mut self.proxies[proxy] else { return };
        let registry = &mut self.replicas[*replica].registry;
        let Some(frame) = registry.next(*id) else { return };
        let message = ControllerMessage::decode(&frame[5..]).unwrap();
        if let Some(Content::Bundles(sent)) = &message.content {
            let of_west = sent.bundles.iter().find(|bundle| bundle.trust_domain == "west.local").unwrap();
            // Proxies don't go back to what they held before (`TrustStore::advance`), whoever sends it.
            if holds.as_ref().is_some_and(|(_, held)| *held > of_west.sequence) {
                return registry.refuse(*id, &Key::Bundles, &message.version, "older than what is held");
            }
            *holds = Some((message.version.clone(), of_west.sequence));
        }
        if says {
            registry.ack(*id, &Key::Bundles, &message.version);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Rotate => {
                let sequence = u64::try_from(self.peers.len()).unwrap() + 1;
                self.peers.push(with(peer("west"), "/status/bundle", bundle_status("west", sequence)));
            }
            Act::Learn(n) => {
                let replica = &mut self.replicas[n];
                if let Some(next) = self.peers.get(replica.learnt + 1) {
                    replica.learnt += 1;
                    replica.registry.update([applied(next.clone())]);
                }
            }
            Act::Connect { proxy, replica, noticed } => {
                if self.replicas[replica].ended {
                    return;
                }
                self.leave(proxy, noticed);
                let held = self.proxies[proxy].holds.as_ref().map(|(version, _)| version.clone());
                let registry = &mut self.replicas[replica].registry;
                let id = registry.open(pod_of(proxy)).0;
                registry.subscribe(id, Key::Bundles, held.unwrap_or_default()).unwrap();
                self.proxies[proxy].seat = Some((replica, id));
            }
            Act::Leave(proxy) => self.leave(proxy, false),
            Act::Notice(n) => {
                let replica = &mut self.replicas[n];
                std::mem::take(&mut replica.ghosts).into_iter().for_each(|id| replica.registry.close(id));
            }
            Act::Take { proxy, says } => self.take(proxy, says),
            Act::Tell(of, to) if of != to && !self.replicas[of].ended && !self.replicas[to].ended => {
                let (stream, registry) = (self.streams.entry((of, to)).or_default(), &mut self.replicas[of].registry);
                let follower = *stream.follower.get_or_insert_with(|| registry.follow(&name(to)).unwrap().0);
                stream.on_its_way.extend(registry.report(follower));
            }
            Act::Arrive(of, to) => {
                let report = self.streams.get_mut(&(of, to)).and_then(|stream| stream.on_its_way.pop_front());
                report.into_iter().for_each(|report| self.replicas[to].registry.hear(&name(of), report));
            }
            Act::Break(of, to) => {
                let follower = self.streams.remove(&(of, to)).and_then(|stream| stream.follower);
                follower.into_iter().for_each(|id| self.replicas[of].registry.unfollow(id));
                self.replicas[to].registry.unheard(&name(of));
            }
            Act::End(n) => {
                if self.replicas.iter().filter(|replica| !replica.ended).count() == 1 {
                    return;
                }
                self.replicas[n].ended = true;
                self.streams.retain(|(of, to), _| *of != n && *to != n);
                for proxy in self.proxies.iter_mut().filter(|proxy| proxy.seat.is_some_and(|(at, _)| at == n)) {
                    proxy.seat = None;
                }
                let gone = with(replica(&name(n), "10.42.0.10"), "/status/phase", json!("Failed"));
                for other in &mut self.replicas {
                    other.registry.update([applied(gone.clone())]);
                }
            }
            Act::Tell(..) => {}
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for replica in self.replicas.iter().filter(|replica| !replica.ended) {
            let (registry, seen) = (&replica.registry, state(&replica.registry));
            let knows = |pod: &ObjectName| {
                let told = registry.others.told().any(|told| told.proxies.contains_key(pod));
                registry.by_pod.contains_key(pod) || told || registry.others.is_away(pod)
            };
            let known: Vec<usize> = (0..PROXIES).filter(|proxy| knows(&pod_of(*proxy))).collect();
            prop_assert!(seen.concerned <= known.len(), "{seen:?} of {known:?}");
            let present = u64::try_from(replica.learnt).unwrap() + 1;
            for proxy in known.into_iter().filter(|_| seen.is_complete()) {
                if let Some((_, holds)) = &self.proxies[proxy].holds {
                    prop_assert!(*holds >= present, "all hold {present}, says {seen:?}, and {proxy} holds {holds}");
                }
            }
        }
        Ok(())
    }

    /// Everybody learns and tells everything.
    fn settle(&mut self) {
        for _ in 0..self.peers.len() {
            (0..REPLICAS).for_each(|n| self.act(Act::Learn(n)));
        }
        (0..REPLICAS).for_each(|n| self.act(Act::Notice(n)));
        let replica = self.replicas.iter().position(|replica| !replica.ended).unwrap();
        for proxy in 0..PROXIES {
            if self.proxies[proxy].seat.is_none() {
                self.act(Act::Connect { proxy, replica, noticed: true });
            }
            // What was heard and not acknowledged stays so: the proxy connects once more.
            let (at, _) = self.proxies[proxy].seat.unwrap();
            self.act(Act::Connect { proxy, replica: at, noticed: true });
            (0..3).for_each(|_| self.take(proxy, true));
        }
        let pairs = || (0..REPLICAS).flat_map(|a| (0..REPLICAS).map(move |b| (a, b))).filter(|(a, b)| a != b);
        pairs().for_each(|(a, b)| self.act(Act::Tell(a, b)));
        for (a, b) in pairs() {
            while self.streams.get(&(a, b)).is_some_and(|stream| !stream.on_its_way.is_empty()) {
                self.act(Act::Arrive(a, b));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_replica_says_that_all_hold_what_one_does_not(acts in vec(act(), 1..100)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
            world.check()?;
        }
        world.settle();
        world.check()?;
        for replica in world.replicas.iter().filter(|replica| !replica.ended) {
            let seen = state(&replica.registry);
            prop_assert!(seen.is_complete() && seen.concerned == PROXIES, "{seen:?}");
        }
    }
}
