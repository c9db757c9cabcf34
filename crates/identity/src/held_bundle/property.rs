//! A mesh that rotates its root again and again, peers that hear of it now and then, and a carrier that lies.

use std::{sync::LazyLock, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{Authority, RootSignature};

const HOUR: Duration = Duration::from_hours(1);
const ROOTS: usize = 5;

static DOMAIN: LazyLock<TrustDomain> = LazyLock::new(|| TrustDomain::new("a.test").unwrap());
/// The mesh's roots, by turns: a retired one never comes back in one run.
static MESH: LazyLock<Vec<Authority>> = LazyLock::new(|| (0..ROOTS).map(|_| root()).collect());
static CARRIER: LazyLock<Authority> = LazyLock::new(root);

fn root() -> Authority {
    Authority::generate(DOMAIN.clone(), SystemTime::now(), HOUR * 24).unwrap()
}

/// What the mesh does, and what the carrier makes of it.
#[derive(Debug, Clone)]
struct Step {
    /// A root that is only published doesn't get to sign.
    give_up: bool,
    lie: Option<Lie>,
    /// A bit for each link that the carrier keeps to itself, the newest first.
    withheld: u32,
}

/// What the carrier puts into the chain that it shows.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// A root of its own, which it says that the mesh's root has signed.
    Swapped,
    /// The newest document, with a later sequence.
    Renumbered,
    /// The carrier's root beside the mesh's, signed by every root that was retired.
    Retired,
}

/// The mesh: the roots that are published, as positions in [`MESH`], the signing one first.
struct World {
    signer: usize,
    other: Option<usize>,
    turned: bool,
    sequence: u64,
    links: Vec<SignedBundle>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { signer: 0, other: None, turned: false, sequence: 0, links: Vec::new() };
        world.publish();
        world
    }

    /// Publish → turn → retire, or give up what is only published.
    fn step(&mut self, give_up: bool) {
        match (self.other, self.turned) {
            (None, _) if self.signer + 1 < ROOTS => (self.other, self.turned) = (Some(self.signer + 1), false),
            (None, _) => return,
            (Some(_), false) if give_up => self.other = None,
            (Some(next), false) => (self.signer, self.other, self.turned) = (next, Some(self.signer), true),
            (Some(_), true) => self.other = None,
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.sequence += 1;
        let roots: Vec<_> = std::iter::once(self.signer).chain(self.other).map(|n| &MESH[n]).collect();
        self.links.push(SignedBundle::sign(&bundle(self.sequence, &roots), HOUR, &roots).unwrap());
    }

    fn newest(&self) -> HeldBundle {
        HeldBundle::restore(DOMAIN.clone(), self.links.last().unwrap().document.clone()).unwrap()
    }

    fn is_honest(&self, held: &HeldBundle) -> bool {
        self.links.iter().any(|link| link.document == held.document)
    }

    /// A link that the mesh never made.
    fn lie(&self, lie: Lie) -> SignedBundle {
        let later = self.sequence + 1;
        let newest = self.links.last().unwrap();
        let claim = |signed: SignedBundle| {
            let bytes = signed.signatures[0].signature.clone();
            let claimed = MESH.iter().map(|root| RootSignature { root: root.root(), signature: bytes.clone() });
            SignedBundle { signatures: claimed.collect(), ..signed }
        };
        match lie {
            Lie::Swapped => claim(SignedBundle::sign(&bundle(later, &[&CARRIER]), HOUR, &[&CARRIER]).unwrap()),
            Lie::Renumbered => {
                let document = String::from_utf8(newest.document.clone()).unwrap();
                let (from, to) =
                    (format!("\"spiffe_sequence\":{}", self.sequence), format!("\"spiffe_sequence\":{later}"));
                SignedBundle { document: document.replace(&from, &to).into_bytes(), ..newest.clone() }
            }
            Lie::Retired => {
                let oldest = if self.turned { self.other.unwrap_or(self.signer) } else { self.signer };
                let retired: Vec<_> = MESH[..oldest].iter().chain([&*CARRIER]).collect();
                SignedBundle::sign(&bundle(later, &[&CARRIER, &MESH[self.signer]]), HOUR, &retired).unwrap()
            }
        }
    }
}

fn bundle(sequence: u64, roots: &[&Authority]) -> Bundle {
    let roots = roots.iter().map(|root| root.certificate().clone()).collect();
    Bundle { trust_domain: DOMAIN.clone(), roots, sequence }
}

fn step() -> impl Strategy<Value = Step> {
    let lie = prop_oneof![Just(Lie::Swapped), Just(Lie::Renumbered), Just(Lie::Retired)];
    (prop::bool::weighted(0.3), prop::option::of(lie), any::<u32>()).prop_map(|(give_up, lie, withheld)| Step {
        give_up,
        lie,
        withheld,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever is shown the chain, however seldom, is at the newest bundle afterwards, whatever lies are in it.
    #[test]
    fn a_chain_always_leads_to_the_newest(steps in prop::collection::vec(step(), 1..20), every in 1..6_usize) {
        let mut world = World::new();
        let mut peer = world.newest();
        for (n, Step { give_up, lie, .. }) in steps.into_iter().enumerate() {
            world.step(give_up);
            if n % every != 0 {
                continue;
            }
            let chain = Chain::new(world.links.clone()).unwrap();
            peer = peer.advance_all(&chain, SystemTime::now()).held;
            prop_assert_eq!(&peer, &world.newest());
            // A lie is not believed by who has heard the truth, and is told of.
            if let Some(lie) = lie {
                let mut links = world.links.clone();
                links.insert(n % links.len(), world.lie(lie));
                let shown = peer.advance_all(&Chain::new(links).unwrap(), SystemTime::now());
                prop_assert_eq!(&shown.held, &world.newest(), "{:?}", lie);
                prop_assert!(matches!(shown.refused, Some(BundleRefused::NotVouched { .. })), "{:?}", shown.refused);
            }
        }
        // Who joins late gets there too, by whichever bundle it was invited with.
        for link in &world.links {
            let pin = HeldBundle::restore(DOMAIN.clone(), link.document.clone()).unwrap().digest();
            let chain = Chain::new(world.links.clone()).unwrap();
            prop_assert_eq!(HeldBundle::join(&DOMAIN, pin, &chain, SystemTime::now()).unwrap().held, world.newest());
        }
    }

    /// A carrier that withholds links and lies can keep a peer where it is; it can't lead it astray, nor back.
    #[test]
    fn what_is_withheld_leads_nobody_astray(steps in prop::collection::vec(step(), 1..20)) {
        let mut world = World::new();
        let mut peer = world.newest();
        for Step { give_up, lie, withheld } in steps {
            world.step(give_up);
            let shown = |n: usize| withheld >> (n % 32) & 1 == 0;
            let mut links: Vec<_> = world.links.iter().rev().enumerate().filter(|(n, _)| shown(*n)).map(|(_, link)| link.clone()).collect();
            // Retired keys are no lie of the carrier's but a theft, from which only hearing of the retirement saves.
            links.extend(lie.filter(|lie| !matches!(lie, Lie::Retired)).map(|lie| world.lie(lie)));
            let before = peer.sequence();
            peer = peer.advance_all(&Chain::new(links).unwrap(), SystemTime::now()).held;
            prop_assert!(world.is_honest(&peer) && peer.sequence() >= before, "{:?} after {}", peer, before);
        }
        let chain = Chain::new(world.links.clone()).unwrap();
        prop_assert_eq!(peer.advance_all(&chain, SystemTime::now()).held, world.newest());
    }
}
