//! What attackers try, each named after its row: a hostile hub between honest members, and a hostile member or joiner before
//! an honest hub.

use std::{cell::RefCell, rc::Rc, time::Duration};

use isthmus_api::federation::v1::{self as proto, hub_message::Message};

use crate::{
    invitation::Invitation,
    limits::{HEARTBEAT, LEASE, MAX_CLUSTERS},
    member::{Event, Introduction, request},
    testing::{HOUR, Trust, World, cluster, mesh},
};

/// What a joiner sends.
pub(crate) fn join_request(invitation: &Invitation, trust: &Trust, name: &str) -> proto::JoinRequest {
    let introduction = Introduction {
        invitation: invitation.id,
        mesh: mesh(name),
        cluster: cluster(name),
        trust_domain: trust.domain.clone(),
        bundle: trust.digest(),
    };
    request(invitation, &introduction, &trust.chain, &trust.controller()).unwrap()
}

fn joined() -> World {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world
}

fn west() -> (String, String) {
    ("west".to_owned(), "west".to_owned())
}

/// Everything that the hub says, as it was.
type Tape = Rc<RefCell<Vec<proto::HubMessage>>>;

fn record(world: &mut World) -> Tape {
    let tape = Tape::default();
    let written = Rc::clone(&tape);
    world.hostility = Some(Box::new(move |to, message| {
        if to.as_str() == "east" {
            written.borrow_mut().push(message.clone());
        }
        vec![message]
    }));
    tape
}

fn play(world: &mut World, messages: impl IntoIterator<Item = proto::HubMessage>) {
    let (now, wall) = (world.now, world.wall);
    let east = world.at("east");
    for message in messages {
        east.state.receive(message, now, wall);
    }
    east.heard.extend(east.state.events());
}

fn catalogs(tape: &Tape) -> Vec<proto::HubMessage> {
    tape.borrow().iter().filter(|m| matches!(m.message, Some(Message::Catalog(_)))).cloned().collect()
}

#[test]
fn a_hub_that_swaps_a_bundle_is_found_out() {
    let mut world = joined();
    let forged = Trust::new("west.local");
    world.hostility = Some(Box::new(move |_, mut message| {
        if let Some(Message::Bundle(chain)) = &mut message.message
            && chain.mesh == "west"
        {
            chain.bundles = crate::wire::chain(&forged.chain);
        }
        vec![message]
    }));
    world.settle();
    let east = world.at("east");
    assert!(!east.heard.iter().any(|event| matches!(event, Event::Bundle { .. } | Event::Catalog { .. })));
    assert!(east.refusals().iter().any(|why| why.starts_with("bundle: ")), "{:?}", east.refusals());
}

#[test]
fn a_hub_that_rolls_a_bundle_back_is_found_out() {
    let mut world = joined();
    let tape = record(&mut world);
    world.settle();
    let old: Vec<_> = tape
        .borrow()
        .iter()
        .filter(|m| matches!(&m.message, Some(Message::Bundle(c)) if c.mesh == "west"))
        .cloned()
        .collect();
    let trust = world.trust.get_mut(&mesh("west")).unwrap();
    trust.add_root();
    trust.retire_root();
    let (chain, svid) = (trust.chain.clone(), trust.controller());
    world.offer("west", |offer| offer.chain = chain);
    world.at("west").svid = svid;
    world.settle();
    let held = |world: &mut World| world.at("east").heard.iter().filter(|e| matches!(e, Event::Bundle { .. })).count();
    let before = held(&mut world);
    assert!(!old.is_empty());
    play(&mut world, old);
    assert_eq!(held(&mut world), before);
    assert!(
        world.at("east").refusals().iter().any(|why| why.contains("sequence")),
        "{:?}",
        world.at("east").refusals()
    );
}

#[test]
fn a_hub_that_alters_a_catalog_is_found_out() {
    let mut world = joined();
    world.hostility = Some(Box::new(|_, mut message| {
        if let Some(Message::Catalog(relayed)) = &mut message.message {
            let sealed = relayed.sealed.as_mut().unwrap();
            let mut payload = sealed.payload.to_vec();
            let at = payload.len() / 2;
            payload[at] ^= 1;
            sealed.payload = payload.into();
        }
        vec![message]
    }));
    world.settle();
    assert!(world.at("east").catalogs().is_empty());
    assert!(
        world.at("east").refusals().iter().any(|why| why.contains("the seal of")),
        "{:?}",
        world.at("east").refusals()
    );
}

#[test]
fn a_hub_that_swaps_a_catalog_with_that_for_another_peer_is_found_out() {
    let mut world = World::new(&["west", "north"]);
    world.join("east", "west");
    world.join("north", "west");
    world.export("west", "east", &["a"]);
    world.export("west", "north", &["b"]);
    let stolen: Rc<RefCell<Option<proto::HubMessage>>> = Rc::default();
    world.hostility = Some(Box::new(move |to, message| {
        match (to.as_str(), &message.message) {
            ("north", Some(Message::Catalog(_))) => drop(stolen.borrow_mut().insert(message.clone())),
            ("east", Some(Message::Catalog(_) | Message::Heartbeat(_))) => {
                return stolen.borrow().clone().into_iter().collect();
            }
            _ => {}
        }
        vec![message]
    }));
    world.live(3 * HEARTBEAT);
    assert!(world.at("east").catalogs().is_empty());
    let refusals = world.at("east").refusals();
    assert!(refusals.iter().any(|why| why.contains("audience is \"north\", not \"east\"")), "{refusals:?}");
}

#[test]
fn a_hub_that_replays_or_rolls_back_a_catalog_is_found_out() {
    let mut world = joined();
    let tape = record(&mut world);
    world.settle();
    let old = catalogs(&tape);
    let newest = world.export("west", "east", &["b"]);
    world.settle();
    let again = catalogs(&tape);
    assert!(old.len() == 1 && again.len() == 2);
    play(&mut world, old);
    let refusals = world.at("east").refusals();
    assert!(refusals.iter().any(|why| why.contains("an old catalog was sent again")), "{refusals:?}");
    // The newest once more is no news.
    let heard = world.at("east").heard.len();
    play(&mut world, again.into_iter().skip(1));
    assert_eq!(world.at("east").heard.len(), heard);
    assert_eq!(world.at("east").catalogs()[&west()], newest);
}

#[test]
fn a_hub_that_withholds_a_catalog_can_not_keep_the_old_one_fresh() {
    let mut world = joined();
    world.settle();
    world.hostility = Some(Box::new(|_, message| match message.message {
        Some(Message::Catalog(_)) => Vec::new(),
        _ => vec![message],
    }));
    world.export("west", "east", &["b"]);
    world.settle();
    let before = world.at("east").heard.len();
    world.live(2 * LEASE);
    let signs = world.at("east").heard[before..].iter().filter(|e| matches!(e, Event::Heartbeat { .. })).count();
    assert_eq!(signs, 0, "signs of life of the new catalog count for the old one");
    // Nothing worse than that: when it lets the catalog through, all is well.
    world.hostility = None;
    world.live(Duration::from_mins(6));
    assert!(
        world.at("east").catalogs()[&west()].services.values().all(|s| s.endpoints.contains_key(&"b".parse().unwrap()))
    );
    assert!(matches!(world.at("east").heard.last(), Some(Event::Heartbeat { .. })));
}

#[test]
fn a_hub_that_replays_signs_of_life_can_not_make_the_dead_alive() {
    let mut world = joined();
    let tape = record(&mut world);
    world.live(5 * HEARTBEAT);
    world.controllers.remove(&cluster("west"));
    world.hostility = None;
    let beats: Vec<_> =
        tape.borrow().iter().filter(|m| matches!(m.message, Some(Message::Heartbeat(_)))).cloned().collect();
    assert!(beats.len() >= 4);
    let before = world.at("east").heard.len();
    for _ in 0..10 {
        world.pass(HEARTBEAT);
        play(&mut world, beats.clone());
    }
    assert_eq!(world.at("east").heard.len(), before);
}

#[test]
fn an_acknowledgement_replayed_says_nothing() {
    let mut world = joined();
    world.settle();
    let tape = Tape::default();
    let written = Rc::clone(&tape);
    world.hostility = Some(Box::new(move |to, message| {
        if to.as_str() == "west" {
            written.borrow_mut().push(message.clone());
        }
        vec![message]
    }));
    for trusting in [412, 3] {
        let trust = crate::member::Trust { sequence: 1, trusting, total: 412 };
        world.offer("east", |offer| offer.peers.get_mut(&mesh("west")).unwrap().trust = trust);
        world.settle();
    }
    let (now, wall) = (world.now, world.wall);
    let controller = world.at("west");
    let before = controller.heard.len();
    tape.borrow().iter().for_each(|message| controller.state.receive(message.clone(), now, wall));
    controller.heard.extend(controller.state.events());
    assert_eq!(controller.heard.len(), before);
}

#[test]
fn a_catalog_of_another_workload_or_another_mesh_is_refused() {
    for (signer, says) in [("shop/sa/web", "sealed by"), ("isthmus-system/sa/isthmus-gateway", "sealed by")] {
        let mut world = joined();
        let stolen = world.trust[&mesh("west")].svid(&format!("spiffe://west.local/ns/{signer}"), world.wall);
        world.settle_as("west", stolen);
        let refusals = world.at("east").refusals();
        assert!(
            world.at("east").catalogs().is_empty() && refusals.iter().any(|why| why.contains(says)),
            "{refusals:?}"
        );
    }
    let mut world = World::new(&["west", "north"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    let other = world.trust[&mesh("north")].controller();
    world.settle_as("west", other);
    assert!(world.at("east").catalogs().is_empty() && !world.at("east").refusals().is_empty());
}

#[test]
fn a_controller_certified_by_another_root_is_refused() {
    let mut world = joined();
    let forged = Trust::new("west.local").controller();
    world.settle_as("west", forged);
    let refusals = world.at("east").refusals();
    assert!(world.at("east").catalogs().is_empty(), "{refusals:?}");
    assert!(refusals.iter().any(|why| why.contains("doesn't stand on a root of its trust domain")), "{refusals:?}");
}

#[test]
fn a_member_that_claims_another_meshs_name_is_refused() {
    let world = World::new(&["west", "north"]);
    let hello = |mesh: &str, domain: &str| proto::Hello {
        mesh: mesh.into(),
        cluster: mesh.into(),
        trust_domain: domain.into(),
        version: String::new(),
    };
    let north = world.trust[&mesh("north")].controller().id().clone();
    for (mesh, domain, says) in [
        ("west", "west.local", "doesn't speak for mesh west"),
        ("west", "north.local", "a mesh keeps its name"),
        ("north", "west.local", "a mesh keeps its name"),
        ("south", "south.local", "hasn't joined"),
        ("WEST", "west.local", "hello.mesh"),
    ] {
        let refused = world.hub.admit(&north, &hello(mesh, domain)).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    let web = world.trust[&mesh("north")].svid("spiffe://north.local/ns/shop/sa/web", world.wall).id().clone();
    assert!(world.hub.admit(&web, &hello("north", "north.local")).is_err(), "a workload isn't its mesh's controller");
    assert!(world.hub.admit(&north, &hello("north", "north.local")).is_ok());
}

#[test]
fn a_joiner_with_another_meshs_name_is_refused() {
    let mut world = World::new(&["west"]);
    let invitation = world.invite("east");
    let impostor = Trust::new("other.local");
    let refused = world.hub.consider(join_request(&invitation, &impostor, "west"), world.wall).unwrap_err();
    assert!(refused.to_string().contains("a mesh keeps its name"), "{refused}");
    // The trust domain is right, and the roots are not those that it has joined with.
    let swapped = Trust::new("west.local");
    let refused = world.hub.consider(join_request(&invitation, &swapped, "west"), world.wall).unwrap_err();
    assert!(refused.to_string().contains("isn't the controller of the mesh"), "{refused}");
    assert!(world.hub.consider(join_request(&invitation, &world.trust[&mesh("west")], "west"), world.wall).is_ok());
}

#[test]
fn a_trust_domain_that_people_take_for_another_is_refused() {
    let mut world = World::new(&["west-prod"]);
    let invitation = world.invite("east");
    for lookalike in ["west-prod.local", "west_prod.local", "westprod.local", "vvest-prod.local", "west-pr0d.local"] {
        let joiner = Trust::new(lookalike);
        let refused = world.hub.consider(join_request(&invitation, &joiner, "north"), world.wall).map(|_| ());
        let refused = refused.map_err(|why| why.to_string());
        assert!(refused.as_ref().is_err_and(|why| why.contains("nobody can mistake")), "{lookalike}: {refused:?}");
    }
}

#[test]
fn an_invitation_used_twice_expired_or_guessed_is_refused() {
    let mut world = World::new(&[]);
    let invitation = world.invite("east");
    let (west, north) = (Trust::new("west.local"), Trust::new("north.local"));
    let refused = |world: &World, request, at| world.hub.consider(request, at).unwrap_err().to_string();
    let late = world.wall + 2 * HOUR;
    assert!(refused(&world, join_request(&invitation, &west, "west"), late).contains("expired"));
    let mut guessed = join_request(&invitation, &west, "west");
    guessed.hub_secret = vec![7; 32].into();
    assert!(refused(&world, guessed, world.wall).contains("knows no such invitation"));
    let admission = world.hub.consider(join_request(&invitation, &west, "west"), world.wall).unwrap();
    world.hub.admitted(admission);
    assert!(refused(&world, join_request(&invitation, &north, "north"), world.wall).contains("has been used"));
    // The text is stolen afterwards: it doesn't let another one in under the same name either.
    let stolen = join_request(&invitation, &Trust::new("west.local"), "west");
    assert!(refused(&world, stolen, world.wall).contains("isn't the controller"));
}

#[test]
fn a_hub_that_swaps_the_joiner_is_found_out_by_the_inviter() {
    let mut world = World::new(&[]);
    let invitation = world.invite("east");
    let (west, forged) = (Trust::new("west.local"), Trust::new("west.local"));
    let honest = join_request(&invitation, &west, "west");
    // The hub knows the hub secret now, and nothing of the peer secret.
    let other = Invitation::generate(invitation.terms.clone()).unwrap();
    let mut made_up = join_request(&other, &forged, "west");
    let mut payload = made_up.introduction.take().unwrap().payload.to_vec();
    let at = payload.windows(16).position(|bytes| bytes == other.id.to_bytes()).unwrap();
    payload[at..at + 16].copy_from_slice(&invitation.id.to_bytes());
    let sealed = forged.controller().seal(crate::wire::INTRODUCTION, payload).unwrap();
    for (introduction, mac, chain) in [
        (crate::wire::sealed(sealed), honest.mac.clone(), made_up.chain.clone()),
        (honest.introduction.clone().unwrap(), honest.mac.clone(), made_up.chain),
    ] {
        let introduced = proto::Introduced { chain, introduction: Some(introduction), mac };
        play(&mut world, [proto::HubMessage { message: Some(Message::Introduced(introduced)) }]);
    }
    let east = world.at("east");
    assert!(!east.heard.iter().any(|event| matches!(event, Event::Introduced { .. })));
    assert_eq!(
        east.refusals().iter().filter(|why| why.starts_with("introduction: ")).count(),
        2,
        "{:?}",
        east.refusals()
    );
}

#[test]
fn a_hub_that_makes_catalogs_up_fills_no_members_memory() {
    let mut world = joined();
    world.settle();
    let told = |n: usize| proto::Told { to: format!("mesh-{n}"), sequence: 1, ..proto::Told::default() };
    let welcome = |from: usize| {
        let welcome = proto::Welcome { told: (from..from + 1000).map(told).collect(), ..proto::Welcome::default() };
        proto::HubMessage { message: Some(Message::Welcome(welcome)) }
    };
    play(&mut world, (0..5).map(|n| welcome(1000 * n)));
    let (now, wall) = (world.now, world.wall);
    let east = world.at("east");
    let withdrawn = std::iter::from_fn(|| east.state.next(&east.svid, now, wall)).count();
    assert!((1000..=2000).contains(&withdrawn), "{withdrawn}");
}

#[test]
fn a_member_that_claims_ever_more_clusters_fills_no_hubs_memory() {
    let mut world = World::new(&["west"]);
    world.settle();
    let id = world.at("west").svid.id().clone();
    let hello = |n: usize| proto::Hello {
        mesh: "west".to_owned(),
        cluster: format!("west-{n}"),
        trust_domain: "west.local".to_owned(),
        version: String::new(),
    };
    // One has a session already.
    let sessions: Vec<_> = (1..MAX_CLUSTERS)
        .map(|n| {
            let (mesh, cluster) = world.hub.admit(&id, &hello(n)).unwrap();
            world.hub.open(mesh, cluster).0
        })
        .collect();
    let refused = world.hub.admit(&id, &hello(MAX_CLUSTERS)).unwrap_err();
    assert_eq!(refused.to_string(), "mesh west has 64 clusters here, the most that it may");
    assert!(world.hub.admit(&id, &hello(1)).is_ok(), "one that is known");
    // One that is away makes place.
    world.hub.close(sessions[0]);
    let (mesh, cluster) = world.hub.admit(&id, &hello(MAX_CLUSTERS)).unwrap();
    world.hub.open(mesh.clone(), cluster.clone());
    let known = &world.hub.clusters()[&mesh];
    assert!(known.len() == MAX_CLUSTERS && known.contains(&cluster) && !known.contains(&self::cluster("west-1")));
}
