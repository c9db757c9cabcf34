use super::*;

fn west() -> MeshName {
    "west".parse().unwrap()
}

fn now() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}

fn acked(cluster: &str, sequence: u64, trusting: u64, total: u64) -> Event {
    let cluster = cluster.parse().unwrap();
    Event::Acked { peer: west(), cluster, sequence, trusting, total, conflicts: vec![] }
}

fn there() -> Event {
    Event::Peer { peer: west(), agrees: true, connected: vec!["west".parse().unwrap(), "west-2".parse().unwrap()] }
}

#[test]
fn a_peer_counts_for_a_rotation_when_all_its_proxies_in_all_its_clusters_hold_the_bundle() {
    let mut session = Session::default();
    assert_eq!(session.standings(SystemTime::now()), [], "who has never held our bundle needn't get the next");
    for event in
        [there(), acked("west", 1, 4, 4), acked("west-2", 1, 2, 2), acked("west", 2, 4, 4), acked("west-2", 2, 1, 2)]
    {
        assert_eq!(session.take(event, now()), None);
    }
    let [one, two] = &session.standings(SystemTime::now())[..] else { panic!() };
    assert_eq!((one.sequence, one.contact, one.proxies), (2, Contact::Connected, Propagation { done: 4, total: 4 }));
    assert_eq!((two.sequence, two.contact, two.proxies), (1, Contact::Connected, Propagation { done: 1, total: 2 }));
    session.take(acked("west-2", 2, 2, 2), now());
    assert_eq!(session.standings(SystemTime::now())[1].sequence, 2);
}

#[test]
fn a_cluster_of_a_peer_that_is_gone_is_out_of_contact_however_well_the_others_are() {
    let mut session = Session::default();
    let heard = now();
    for event in [there(), acked("west", 1, 4, 4), acked("west-2", 1, 2, 2)] {
        session.take(event, heard);
    }
    let alone = Event::Peer { peer: west(), agrees: true, connected: vec!["west".parse().unwrap()] };
    session.take(alone, now());
    let contacts: Vec<_> = session.standings(SystemTime::now()).iter().map(|standing| standing.contact).collect();
    assert_eq!(contacts, [Contact::Connected, Contact::LostAt(heard.1)]);
    // One that has ended the relation is waited for no more.
    session.take(Event::Withdrawn { peer: west(), cluster: "west-2".parse().unwrap() }, now());
    assert_eq!(session.standings(SystemTime::now()).len(), 1);
}

#[test]
fn the_other_clusters_of_the_own_mesh_are_known_by_what_they_say_and_what_the_hub_says() {
    let mut session = Session::default();
    for event in [there(), acked("west-2", 7, 2, 3), acked("west-3", 7, 3, 3)] {
        session.take(event, now());
    }
    let siblings = session.siblings(&west(), &"west".parse().unwrap());
    let seen: Vec<_> =
        siblings.iter().map(|(of, sibling)| (of.as_str(), sibling.connected, sibling.complete)).collect();
    assert_eq!(seen, [("west-2", true, 0), ("west-3", false, 7)]);
}

#[test]
fn without_the_hub_a_peer_is_out_of_contact_since_it_was_heard_last() {
    let mut session = Session::default();
    let heard = now();
    session.take(there(), heard);
    session.take(acked("west", 1, 4, 4), heard);
    session.take(Event::Lost { why: "reset".into() }, now());
    assert_eq!(session.hub, Hub::Lost { why: "reset".into() });
    assert_eq!(session.standings(SystemTime::now())[0].contact, Contact::LostAt(heard.1));
}

#[test]
fn after_a_restart_a_peer_is_waited_for_as_one_that_was_lost() {
    let mut session = Session::default();
    let status = MeshPeerStatus { acknowledged: Some(3), ..MeshPeerStatus::default() };
    session.restore(west(), &status, now());
    let began = SystemTime::now();
    let standing = &session.standings(began)[0];
    assert_eq!((standing.sequence, standing.contact), (3, Contact::LostAt(began)));
}

#[test]
fn what_is_refused_is_told_and_changes_nothing() {
    let mut session = Session::default();
    let event = Event::Refused { peer: Some(west()), what: "bundle".into(), why: "rolled back".into() };
    let deed = session.take(event, now());
    assert_eq!(deed, Some(Deed::Tell { peer: Some(west()), what: "bundle".into(), why: "rolled back".into() }));
    assert!(session.peers.is_empty());
}
