//! What a hub and its members tell each other when all are honest.

use std::time::{Duration, SystemTime};

use crate::{
    catalog::{
        freshness::Freshness,
        merge::{Conflict, Field},
    },
    limits::{DEFAULT_MAX_STALE, HEARTBEAT},
    member::{Event, InvitationState, Trust},
    names::controller_id,
    testing::{World, cluster, mesh},
};

fn keys(world: &mut World, name: &str) -> Vec<(String, String)> {
    world.at(name).catalogs().into_keys().collect()
}

fn key(mesh: &str, cluster: &str) -> (String, String) {
    (mesh.to_owned(), cluster.to_owned())
}

#[test]
fn a_catalog_reaches_its_audience_and_nobody_else() {
    let mut world = World::new(&["west", "north"]);
    world.join("east", "west");
    world.join("west", "north");
    world.join("east", "north");
    let given = world.export("west", "east", &["a"]);
    world.settle();
    assert_eq!(world.at("east").catalogs(), [(key("west", "west"), given)].into());
    assert_eq!(keys(&mut world, "north"), []);
    for name in ["east", "west", "north"] {
        assert_eq!(world.at(name).refusals(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn nothing_moves_before_both_sides_agree() {
    let mut world = World::new(&["west", "north"]);
    let peer = world.trust[&mesh("north")].peer();
    world.offer("west", |offer| drop(offer.peers.insert(mesh("north"), peer)));
    world.export("west", "north", &["a"]);
    world.settle();
    let moved = |event: &Event| matches!(event, Event::Bundle { .. } | Event::Catalog { .. } | Event::Acked { .. });
    let told = |world: &mut World, name: &str| world.at(name).heard.iter().any(moved);
    assert!(!told(&mut world, "north") && !told(&mut world, "west"));
    world.join("north", "west");
    world.settle();
    assert!(told(&mut world, "north") && told(&mut world, "west"));
}

#[test]
fn changes_follow_and_a_late_subscriber_gets_all_of_them() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.settle();
    for tokens in [&["a", "b"][..], &["b"], &["b", "c"]] {
        let given = world.export("west", "east", tokens);
        world.settle();
        assert_eq!(world.at("east").catalogs()[&key("west", "west")], given);
    }
    let newest = world.at("east").catalogs();
    // A second cluster of east comes when a whole and three changes are there.
    world.start("east", "east-2");
    let peer = world.trust[&mesh("west")].peer();
    world.offer("east-2", |offer| drop(offer.peers.insert(mesh("west"), peer)));
    world.settle();
    let heard = &world.at("east-2").heard;
    assert_eq!(heard.iter().filter(|e| matches!(e, Event::Catalog { .. })).count(), 4);
    assert_eq!(world.at("east-2").catalogs(), newest);
}

#[test]
fn a_slow_member_is_sent_the_newest_when_it_can_take_more() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.settle();
    let before = world.at("east").heard.len();
    // East hears nothing while west changes a hundred times and beats on: all of it waits as three topics.
    let east = world.controllers.remove(&cluster("east")).unwrap();
    for n in 0..100 {
        world.export("west", "east", if n % 2 == 0 { &["a", "b"] } else { &["a"] });
        world.live(HEARTBEAT);
    }
    world.controllers.insert(cluster("east"), east);
    world.settle();
    let heard = &world.at("east").heard[before..];
    let beats = heard.iter().filter(|event| matches!(event, Event::Heartbeat { .. })).count();
    assert!(beats <= 1, "{beats} signs of life were kept for it");
    assert_eq!(world.at("east").catalogs()[&key("west", "west")].services.len(), 1);
    assert_eq!(world.at("east").refusals(), Vec::<String>::new());
}

#[test]
fn a_hub_restarted_empty_is_told_everything_again() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    let given = world.export("west", "east", &["a"]);
    world.settle();
    world.restart_hub();
    world.live(2 * HEARTBEAT);
    // East has it still, and it is fresh.
    assert_eq!(world.at("east").catalogs()[&key("west", "west")], given);
    assert!(
        matches!(world.at("east").heard.last(), Some(Event::Heartbeat { .. })),
        "{:?}",
        world.at("east").heard.last()
    );
    // A new cluster of east gets it of the new hub.
    world.start("east", "east-2");
    let peer = world.trust[&mesh("west")].peer();
    world.offer("east-2", |offer| drop(offer.peers.insert(mesh("west"), peer)));
    world.settle();
    assert_eq!(world.at("east-2").catalogs()[&key("west", "west")], given);
    assert_eq!(world.at("east").refusals(), Vec::<String>::new());
}

#[test]
fn a_controller_that_starts_anew_goes_on_from_where_its_forerunner_was() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.settle();
    // Its successor's clock is five minutes behind.
    world.start("west", "west");
    world.wall -= Duration::from_mins(5);
    world.join("east", "west");
    let given = world.export("west", "east", &["b"]);
    world.settle();
    assert_eq!(world.at("east").catalogs()[&key("west", "west")], given);
    world.live(HEARTBEAT);
    assert!(matches!(world.at("east").heard.last(), Some(Event::Heartbeat { .. })));
    assert_eq!(world.at("east").refusals(), Vec::<String>::new());
}

#[test]
fn the_sequence_goes_on_when_controller_and_hub_start_anew_together() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.settle();
    world.start("west", "west");
    world.restart_hub();
    world.wall -= Duration::from_mins(5);
    // East is back before west: so the hub knows from it how far west was.
    let west = world.controllers.remove(&cluster("west")).unwrap();
    world.settle();
    world.controllers.insert(cluster("west"), west);
    world.join("east", "west");
    let given = world.export("west", "east", &["b"]);
    world.settle();
    assert_eq!(world.at("east").catalogs()[&key("west", "west")], given);
    assert_eq!(world.at("east").refusals(), Vec::<String>::new());
}

#[test]
fn what_is_heard_no_more_ages_and_comes_back() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.live(HEARTBEAT * 3);
    let age = |world: &World, since: std::time::Instant| {
        crate::catalog::freshness::of_age(world.now.duration_since(since), DEFAULT_MAX_STALE)
    };
    let since = world.now;
    let west = world.controllers.remove(&cluster("west")).unwrap();
    let before = world.at("east").heard.len();
    world.live(Duration::from_mins(2));
    assert!(!world.at("east").heard[before..].iter().any(|e| matches!(e, Event::Heartbeat { .. })));
    assert_eq!(age(&world, since), Freshness::Stale);
    world.controllers.insert(cluster("west"), west);
    world.live(HEARTBEAT);
    assert!(world.at("east").heard[before..].iter().any(|e| matches!(e, Event::Heartbeat { .. })));
}

/// The hub has kept what it had brought: nothing of it is sent again but signs of life.
#[test]
fn a_member_that_was_cut_off_from_the_hub_is_heard_again() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.live(HEARTBEAT * 3);
    let session = world.at("west").session.take().unwrap();
    world.hub.close(session);
    world.pass(Duration::from_mins(1));
    let before = world.at("east").heard.len();
    world.live(HEARTBEAT * 2);
    let heard = &world.at("east").heard[before..];
    assert!(heard.iter().any(|event| matches!(event, Event::Heartbeat { .. })), "{heard:?}");
}

/// The certificate, too, is made by the clock that is wrong.
#[test]
fn clocks_five_minutes_apart_do_no_harm() {
    const FIVE: Duration = Duration::from_mins(5);
    let clocks: [fn(SystemTime) -> SystemTime; 2] = [|wall| wall + FIVE, |wall| wall - FIVE];
    for (clock, ahead) in clocks.into_iter().zip([300, -300]) {
        let mut world = World::new(&["west"]);
        let trust = &world.trust[&mesh("west")];
        let svid = trust.svid(controller_id(&trust.domain).unwrap().as_str(), clock(world.wall));
        let west = world.at("west");
        (west.clock, west.svid) = (clock, svid);
        world.join("east", "west");
        let mut told = Vec::new();
        for tokens in [&["a"][..], &["a", "b"]] {
            let to_west = world.export("east", "west", tokens);
            let to_east = world.export("west", "east", tokens);
            world.live(HEARTBEAT * 3);
            for (name, other, given) in [("east", "west", to_east), ("west", "east", to_west)] {
                let controller = world.at(name);
                assert_eq!(controller.catalogs()[&key(other, other)], given);
                assert_eq!(controller.refusals(), Vec::<String>::new());
                let of_late = controller.heard.split_off(0);
                assert!(of_late.iter().any(|event| matches!(event, Event::Heartbeat { .. })), "{name}: {of_late:?}");
                told.extend(of_late.into_iter().filter_map(|event| match event {
                    Event::Clock { ahead, .. } => Some((name, ahead)),
                    _ => None,
                }));
            }
        }
        assert_eq!(told, [("east", ahead), ("west", -ahead)], "each is told of the other's clock, once");
    }
}

#[test]
fn a_root_is_rotated_without_a_word_from_anybody() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.settle();
    for step in 0..6 {
        let trust = world.trust.get_mut(&mesh("west")).unwrap();
        if step % 2 == 0 {
            trust.add_root()
        } else {
            trust.retire_root()
        }
        let (chain, svid, digest) = (trust.chain.clone(), trust.controller(), trust.digest());
        world.offer("west", |offer| offer.chain = chain);
        world.settle();
        // The leaf is turned after everybody has the roots.
        world.at("west").svid = svid;
        let given = world.export("west", "east", if step % 2 == 0 { &["a", "b"] } else { &["a"] });
        world.settle();
        let held = world.at("east").heard.iter().rev().find_map(|event| match event {
            Event::Bundle { held, .. } => Some(held.digest()),
            _ => None,
        });
        assert_eq!(held, Some(digest), "step {step}");
        assert_eq!(world.at("east").catalogs()[&key("west", "west")], given, "step {step}");
        assert_eq!(world.at("east").refusals(), Vec::<String>::new(), "step {step}");
    }
}

#[test]
fn who_has_missed_several_rotations_finds_the_way() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.settle();
    let east = world.controllers.remove(&cluster("east")).unwrap();
    for step in 0..6 {
        let trust = world.trust.get_mut(&mesh("west")).unwrap();
        if step % 2 == 0 {
            trust.add_root()
        } else {
            trust.retire_root()
        }
        let (chain, svid) = (trust.chain.clone(), trust.controller());
        world.offer("west", |offer| offer.chain = chain);
        world.at("west").svid = svid;
        world.settle();
    }
    world.controllers.insert(cluster("east"), east);
    let given = world.export("west", "east", &["a"]);
    world.settle();
    assert_eq!(world.at("east").catalogs()[&key("west", "west")], given);
    assert_eq!(world.at("east").refusals(), Vec::<String>::new());
}

#[test]
fn a_mesh_learns_how_far_its_bundle_has_got_and_where_its_clusters_differ() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.settle();
    let (trust, conflict) = (
        Trust { sequence: 1, trusting: 410, total: 412 },
        Conflict {
            service: crate::catalog::testing::name("web"),
            port: 80,
            winner: cluster("west"),
            loser: cluster("west-2"),
            field: Field::Name,
        },
    );
    world.offer("east", |offer| {
        let peer = offer.peers.get_mut(&mesh("west")).unwrap();
        (peer.trust, peer.conflicts) = (trust, vec![conflict]);
    });
    world.settle();
    let Some(Event::Acked { peer, cluster: of, sequence, trusting, total, conflicts }) = world.at("west").heard.last()
    else {
        panic!("{:?}", world.at("west").heard.last());
    };
    assert_eq!((peer, of, *sequence, *trusting, *total), (&mesh("east"), &cluster("east"), 1, 410, 412));
    assert_eq!(conflicts.iter().map(|c| (c.port, c.field.as_str())).collect::<Vec<_>>(), [(80, "name")]);
}

#[test]
fn proxies_that_trust_an_older_bundle_do_not_count() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.settle();
    let trust = world.trust.get_mut(&mesh("west")).unwrap();
    trust.add_root();
    let chain = trust.chain.clone();
    world.offer("west", |offer| offer.chain = chain);
    let newest = |world: &mut World, sequence, trusting, total| {
        let held = Trust { sequence, trusting, total };
        world.offer("east", |offer| offer.peers.get_mut(&mesh("west")).unwrap().trust = held);
        world.settle();
        let acked = world.at("west").heard.iter().rev().find_map(|event| match event {
            Event::Acked { sequence, trusting, total, .. } => Some((*sequence, *trusting, *total)),
            _ => None,
        });
        acked.unwrap()
    };
    assert_eq!(newest(&mut world, 1, 412, 412), (2, 0, 412));
    assert_eq!(newest(&mut world, 1, 0, 0), (2, 0, 1), "who is to hold it isn't known yet");
    assert_eq!(newest(&mut world, 2, 0, 0), (2, 0, 0));
}

#[test]
fn ending_a_relation_withdraws_what_was_offered() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.settle();
    world.offer("west", |offer| {
        offer.peers.clear();
        offer.exports.clear();
    });
    world.settle();
    assert_eq!(keys(&mut world, "east"), []);
    assert!(world.at("east").heard.iter().any(|event| matches!(event, Event::Peer { agrees: false, .. })));
}

#[test]
fn a_member_put_out_of_the_hub_is_gone() {
    let mut world = World::new(&["west"]);
    world.join("east", "west");
    world.export("west", "east", &["a"]);
    world.settle();
    assert!(world.hub.revoke(&mesh("west")) && !world.hub.revoke(&mesh("west")));
    assert!(!world.hub.revoke(&mesh("east")), "the hub's own mesh stays");
    assert!(world.hub.connected(&mesh("west")).is_empty());
    let hello = isthmus_api::federation::v1::Hello {
        mesh: "west".into(),
        cluster: "west".into(),
        trust_domain: "west.local".into(),
        version: String::new(),
    };
    let id = world.at("west").svid.id().clone();
    assert!(world.hub.admit(&id, &hello).unwrap_err().to_string().contains("hasn't joined this hub"));
}

#[test]
fn a_mesh_joins_by_invitation_and_both_sides_know_each_other() {
    let mut world = World::new(&[]);
    let invitation = world.invite("east");
    assert!(
        world
            .at("east")
            .heard
            .contains(&Event::Invitation { invitation: invitation.id, state: InvitationState::Announced })
    );
    let west = crate::testing::Trust::new("west.local");
    let request = crate::attacks::join_request(&invitation, &west, "west");
    let admission = world.hub.consider(request.clone(), world.wall).unwrap();
    world.hub.admitted(admission);
    world.settle();
    let introduced = world.at("east").heard.iter().find_map(|event| match event {
        Event::Introduced { invitation: id, mesh, trust_domain, bundle } => {
            Some((*id, mesh.clone(), trust_domain.clone(), *bundle))
        }
        _ => None,
    });
    assert_eq!(introduced, Some((invitation.id, mesh("west"), west.domain.clone(), west.digest())));
    // Its answer was lost: it asks again, and nothing is used up.
    assert!(world.hub.consider(request, world.wall).unwrap().again);
    // The inviter makes a peer of it, and is done with the invitation.
    let peer = west.peer();
    world.trust.insert(mesh("west"), west);
    world.offer("east", |offer| {
        offer.invitations.clear();
        offer.peers.insert(mesh("west"), peer);
    });
    world.start("west", "west");
    world.join("east", "west");
    let given = world.export("west", "east", &["a"]);
    world.settle();
    assert_eq!(world.at("east").catalogs()[&key("west", "west")], given);
    // What is left of the invitation is that it was used; when it is over, nothing.
    assert!(world.hub.invitation(invitation.id).is_some_and(|kept| kept.introduced.is_none()));
    assert_eq!(world.hub.expire(world.wall + crate::testing::HOUR), [(invitation.id, mesh("east"))]);
}
