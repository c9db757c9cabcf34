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
    Event::Peer { peer: west(), agrees: true, connected: vec!["west".parse().unwrap()] }
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
    let [standing] = &session.standings(SystemTime::now())[..] else { panic!() };
    assert_eq!((standing.sequence, standing.contact), (1, Contact::Connected));
    assert_eq!(standing.proxies, Propagation { done: 5, total: 6 });
    session.take(acked("west-2", 2, 2, 2), now());
    assert_eq!(session.standings(SystemTime::now())[0].sequence, 2);
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
