//! What clusters of one mesh tell each other through a hub when all are honest.

use isthmus_core::federation::MeshName;

use crate::{
    catalog::testing::{exports, service},
    member::{Custody, Event, Peer},
    testing::{World, cluster, mesh},
};

/// A mesh `west` of two clusters that know of each other, beside east.
fn world() -> World {
    let mut world = World::new(&["west"]);
    world.start("west", "west-2");
    let peer = || Peer { held: Some(world.trust[&mesh("west")].held()), ..world.trust[&mesh("west")].peer() };
    let (one, two) = (peer(), peer());
    world.offer("west", |offer| drop(offer.peers.insert(mesh("west"), one)));
    world.offer("west-2", |offer| drop(offer.peers.insert(mesh("west"), two)));
    world
}

fn heard(world: &mut World, name: &str) -> Vec<(String, String)> {
    world.at(name).catalogs().into_keys().collect()
}

#[test]
fn what_one_exports_to_its_own_mesh_reaches_the_others_and_not_itself() {
    let mut world = world();
    world.join("east", "west");
    let given = world.export("west", "west", &["a"]);
    world.settle();
    assert_eq!(world.at("west-2").catalogs(), [(("west".into(), "west".into()), given)].into());
    assert_eq!(heard(&mut world, "west"), []);
    assert_eq!(heard(&mut world, "east"), []);
    for name in ["east", "west", "west-2"] {
        assert_eq!(world.at(name).refusals(), Vec::<String>::new(), "{name}");
    }
    world.offer("west", |offer| drop(offer.peers.remove(&mesh("west"))));
    world.settle();
    assert_eq!(heard(&mut world, "west-2"), [], "who doesn't count itself among several offers them nothing");
}

#[test]
fn each_is_told_which_others_are_there_whether_or_not_it_agrees() {
    let mut world = World::new(&["west"]);
    world.start("west", "west-2");
    world.settle();
    let there = |world: &mut World, name: &str| {
        let said = |event: &Event| match event {
            Event::Peer { peer, connected, .. } if *peer == mesh("west") => Some(connected.clone()),
            _ => None,
        };
        world.at(name).heard.iter().rev().find_map(said)
    };
    let both = Some(vec![cluster("west"), cluster("west-2")]);
    assert_eq!((there(&mut world, "west"), there(&mut world, "west-2")), (both.clone(), both));
    assert_eq!(there(&mut world, "east"), None, "other meshes aren't told");
}

#[test]
fn a_hub_that_gives_a_cluster_its_own_catalog_back_is_not_believed() {
    let mut world = world();
    world.export("west-2", "west", &["a"]);
    world.settle();
    let of_two = world.at("west-2").offer.cluster.clone();
    // The other one's catalog under this one's name: its seal says whose it is.
    world.hostility = Some(Box::new(move |to: &MeshName, mut message| {
        use isthmus_api::federation::v1::hub_message::Message;
        if let (Some(Message::Catalog(relayed)), "west") = (&mut message.message, to.as_str()) {
            relayed.cluster = if relayed.cluster == of_two.as_str() { "west".into() } else { of_two.to_string() };
        }
        vec![message]
    }));
    world.export("west-2", "west", &["b"]);
    world.settle();
    let refused = world.at("west").refusals();
    assert!(refused.iter().any(|why| why.contains("not of itself")), "{refused:?}");
    assert_eq!(world.at("west").catalogs().values().next().unwrap().services.len(), 1);
}

#[test]
fn both_hear_of_a_conflict_that_a_third_has_found() {
    let mut world = World::new(&["west"]);
    world.start("west", "west-2");
    world.join("east", "west");
    let peer = world.trust[&mesh("east")].peer();
    world.offer("west-2", |offer| drop(offer.peers.insert(mesh("east"), peer)));
    let of = |created, name: &str| std::sync::Arc::new(exports(&[("web", service(created, &[(80, name)], &["a"]))]));
    world.offer("west", |offer| drop(offer.exports.insert(mesh("east"), of(1, "http"))));
    world.offer("west-2", |offer| drop(offer.exports.insert(mesh("east"), of(2, "grpc"))));
    world.settle();
    let catalogs = world.at("east").catalogs();
    let of_west: Vec<_> = catalogs.iter().map(|((_, of), exports)| (cluster(of), exports)).collect();
    let merged = crate::catalog::merge::merge(of_west.iter().map(|(of, exports)| (of, *exports)));
    let conflicts: Vec<_> = merged.into_values().flat_map(|merged| merged.conflicts).collect();
    assert_eq!(conflicts.len(), 1);
    world.offer("east", |offer| {
        if let Some(west) = offer.peers.get_mut(&mesh("west")) {
            west.conflicts = conflicts;
        }
    });
    world.settle();
    for name in ["west", "west-2"] {
        let told = |event: &Event| match event {
            Event::Acked { conflicts, .. } => conflicts.first().cloned(),
            _ => None,
        };
        let told = world.at(name).heard.iter().rev().find_map(told).unwrap();
        assert_eq!((told.winner, told.loser, &*told.field), (cluster("west"), cluster("west-2"), "name"), "{name}");
    }
}

fn given(world: &mut World, name: &str) -> Vec<(String, u64)> {
    let custody = |event: &Event| match event {
        Event::Custody { cluster, custody } => Some((cluster.to_string(), custody.sequence)),
        _ => None,
    };
    world.at(name).heard.iter().filter_map(custody).collect()
}

#[test]
fn the_state_of_the_roots_goes_to_the_meshs_other_clusters_alone() {
    let mut world = world();
    world.join("east", "west");
    let give = |world: &mut World, sequence| {
        world.offer("west", |offer| offer.custody = Some(Custody { sequence, closed: b"unreadable"[..].into() }));
        world.settle();
    };
    give(&mut world, 5);
    give(&mut world, 6);
    assert_eq!(given(&mut world, "west-2"), [("west".into(), 5), ("west".into(), 6)]);
    // One that starts later is given the newest, and a hub that has lost it is told it again.
    world.start("west", "west-3");
    let peer = Peer { held: Some(world.trust[&mesh("west")].held()), ..world.trust[&mesh("west")].peer() };
    world.offer("west-3", |offer| drop(offer.peers.insert(mesh("west"), peer)));
    world.settle();
    assert_eq!(given(&mut world, "west-3"), [("west".into(), 6)]);
    world.restart_hub();
    world.settle();
    assert_eq!(given(&mut world, "west-3").len(), 2);
    assert_eq!((given(&mut world, "west").len(), given(&mut world, "east").len()), (0, 0));
}

#[test]
fn a_state_of_the_roots_under_another_clusters_name_is_refused() {
    let mut world = world();
    world.start("west", "west-3");
    let peer = Peer { held: Some(world.trust[&mesh("west")].held()), ..world.trust[&mesh("west")].peer() };
    world.offer("west-3", |offer| drop(offer.peers.insert(mesh("west"), peer)));
    world.hostility = Some(Box::new(|_, mut message| {
        use isthmus_api::federation::v1::hub_message::Message;
        if let Some(Message::Custody(relayed)) = &mut message.message {
            relayed.cluster = "west-2".into();
        }
        vec![message]
    }));
    world.offer("west", |offer| offer.custody = Some(Custody { sequence: 5, closed: b"unreadable"[..].into() }));
    world.settle();
    assert_eq!(given(&mut world, "west-3"), []);
    let refused = world.at("west-3").refusals();
    assert!(
        refused.iter().any(|why| why.starts_with("custody") && why.contains("was not made for this")),
        "{refused:?}"
    );
}
