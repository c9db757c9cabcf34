use super::*;

const DAY: Duration = Duration::from_hours(24);

fn root(name: &str) -> RootId {
    RootId::of(&CertificateDer::from(name.as_bytes().to_vec()))
}

fn at(hours: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(24 * 365 * 56 + hours)
}

fn mesh() -> Rotation {
    Rotation::begin(root("a"), DAY, at(0))
}

fn census(standings: &[Standing]) -> Census {
    Census::of(standings.iter().enumerate().map(|(i, standing)| (format!("shop/web-{i}"), standing.clone())))
}

fn facts<'a>(wanted: &str, census: &'a Census) -> Facts<'a> {
    Facts { wanted: root(wanted), signer_expired: false, leaf_lifetime: DAY, census, peers: &[], obstacle: None }
}

#[track_caller]
fn advanced(step: Step) -> Rotation {
    match step {
        Step::Advance(next) => next,
        Step::Stay(waiting) => panic!("held: {waiting:?}"),
    }
}

#[track_caller]
fn held(step: Step) -> String {
    match step {
        Step::Stay(Some(waiting)) => waiting.to_string(),
        other => panic!("not held: {other:?}"),
    }
}

fn publishing() -> Rotation {
    advanced(mesh().step(&facts("b", &Census::default()), at(1)))
}

fn turning() -> Rotation {
    advanced(publishing().step(&facts("b", &census(&[Standing::Done])), at(2)))
}

#[test]
fn a_rotation_publishes_then_signs_then_retires() {
    let done = census(&[Standing::Done, Standing::Done]);
    assert_eq!(mesh().step(&facts("a", &done), at(1)), Step::Stay(None));
    let steps = [publishing(), turning(), advanced(turning().step(&facts("b", &done), at(3)))];
    let (a, b) = (root("a"), root("b"));
    let phases = steps.map(|step| step.phase);
    assert_eq!(
        phases,
        [Phase::Publishing { signer: a, next: b }, Phase::Turning { signer: b, old: a }, Phase::Steady { root: b },]
    );
    assert_eq!(steps.map(|step| step.sequence), [1, 2, 3].map(|n| mesh().sequence + n));
    assert_eq!(steps.map(|step| step.roots().collect::<Vec<_>>()), [vec![a, b], vec![b, a], vec![b]]);
    // The controller's own leaf changes last.
    assert_eq!(phases.map(Phase::elder), [a, a, b]);
    assert_eq!(phases.map(Phase::duty), [Duty::HoldBundle, Duty::LeafOf(b), Duty::None]);
}

#[test]
fn a_connected_proxy_that_is_behind_or_refuses_holds_it_for_as_long_as_it_is_there() {
    for rotation in [publishing(), turning()] {
        for later in [2, 24 * 365] {
            let behind = census(&[Standing::Done, Standing::Behind]);
            assert_eq!(held(rotation.step(&facts("b", &behind), at(later))), "1 connected, shop/web-1 among them");
            let refused = census(&[Standing::Refused("root 1 is not a CA".into()), Standing::Behind]);
            let said = held(rotation.step(&facts("b", &refused), at(later)));
            assert_eq!(said, "the proxy of shop/web-0 refused: root 1 is not a CA");
        }
    }
}

#[test]
fn an_absent_proxy_holds_it_until_its_leaf_must_have_expired() {
    let absent = census(&[Standing::Absent, Standing::Done, Standing::Absent]);
    for rotation in [publishing(), turning()] {
        let bound = rotation.since + DAY + ABSENCE_SLACK;
        let said = held(rotation.step(&facts("b", &absent), bound - Duration::from_secs(1)));
        assert_eq!(said, "2 absent, shop/web-0 among them, for 1 minutes more at most; delete the pod to go on");
        advanced(rotation.step(&facts("b", &absent), bound));
        // A clock that was set back makes it wait longer, never shorter.
        held(rotation.step(&facts("b", &absent), rotation.since - DAY));
    }
}

#[test]
fn the_longest_leaf_that_ever_was_counts() {
    let absent = census(&[Standing::Absent]);
    let mut short = facts("b", &absent);
    short.leaf_lifetime = Duration::from_secs(10);
    held(publishing().step(&short, publishing().since + DAY));
    let mut long = facts("b", &absent);
    long.leaf_lifetime = DAY * 7;
    held(publishing().step(&long, publishing().since + DAY * 6));
    let with_long = advanced(mesh().step(&long, at(1)));
    assert_eq!(with_long.longest_leaf, DAY * 7);
}

#[test]
fn a_phase_lasts_until_every_replica_has_learnt_of_it() {
    let done = census(&[Standing::Done]);
    for rotation in [publishing(), turning()] {
        let said = held(rotation.step(&facts("b", &done), rotation.since + SETTLE - Duration::from_millis(1)));
        assert_eq!(said, "every replica of the controller to learn of it");
        advanced(rotation.step(&facts("b", &done), rotation.since + SETTLE));
    }
}

#[test]
fn what_else_must_know_the_roots_is_waited_for() {
    let done = census(&[Standing::Done]);
    let obstacle = Facts { obstacle: Some("the webhook configurations"), ..facts("b", &done) };
    assert_eq!(held(publishing().step(&obstacle, at(9))), "the webhook configurations");
}

fn peer(mesh: &str, contact: Contact, sequence: u64) -> PeerStanding {
    let proxies = Propagation { done: 410, total: 412 };
    PeerStanding { mesh: mesh.parse().unwrap(), contact, sequence, proxies, refusal: None }
}

#[test]
fn a_connected_peer_whose_proxies_lack_the_next_root_holds_it_for_as_long_as_it_is_there() {
    let (done, sequence) = (census(&[Standing::Done]), publishing().sequence);
    let step = |peers: &[PeerStanding], hours| publishing().step(&Facts { peers, ..facts("b", &done) }, at(hours));
    let has_it = peer("north", Contact::Connected, sequence);
    let behind = [has_it.clone(), peer("west", Contact::Connected, sequence - 1), peer("east", Contact::Connected, 0)];
    for later in [2, 24 * 365] {
        assert_eq!(held(step(&behind, later)), "peers: 2 connected, west among them with 410/412 proxies");
    }
    let refusal = Some("two different bundles".into());
    let refused = [behind[1].clone(), PeerStanding { refusal, ..behind[2].clone() }];
    assert_eq!(held(step(&refused, 2)), "mesh east refused: two different bundles");
    // Our own proxies are named first.
    let own = census(&[Standing::Behind]);
    let said = held(publishing().step(&Facts { peers: &behind, ..facts("b", &own) }, at(2)));
    assert_eq!(said, "1 connected, shop/web-0 among them");
    let newer = peer("west", Contact::Connected, sequence + 1);
    assert_eq!(advanced(step(&[has_it, newer], 2)).phase, Phase::Turning { signer: root("b"), old: root("a") });
}

#[test]
fn a_peer_out_of_contact_holds_it_until_what_it_imports_must_have_expired() {
    let (done, sequence) = (census(&[Standing::Done]), publishing().sequence);
    let lost = [
        peer("west", Contact::LostAt(at(1)), 0),
        peer("east", Contact::LostAt(at(5)), sequence - 1),
        peer("north", Contact::LostAt(at(9)), sequence),
        // Gone for good long before: nobody waits.
        peer("atlantis", Contact::LostAt(at(0) - DAY * 2), 0),
    ];
    let step = |now| publishing().step(&Facts { peers: &lost, ..facts("b", &done) }, now);
    let said = held(step(at(6)));
    assert_eq!(
        said,
        "peers: 2 out of contact, east among them, for 1382 minutes more at most; revoke the peer to go on"
    );
    let bound = at(5) + DAY + ABSENCE_SLACK;
    assert!(held(step(bound - Duration::from_secs(1))).starts_with("peers: 1 out of contact, east"));
    advanced(step(bound));
    // A clock that was set back makes it wait longer, never shorter.
    assert!(held(step(at(0))).contains("out of contact"));
}

#[test]
fn the_old_root_is_retired_without_asking_peers() {
    let done = census(&[Standing::Done]);
    let refusal = Some("no".into());
    let peers = [
        peer("west", Contact::Connected, 0),
        peer("east", Contact::LostAt(at(3)), 0),
        PeerStanding { refusal, ..peer("north", Contact::Connected, 0) },
    ];
    let retired = advanced(turning().step(&Facts { peers: &peers, ..facts("b", &done) }, at(3)));
    assert_eq!(retired.phase, Phase::Steady { root: root("b") });
}

#[test]
fn a_change_of_mind_while_publishing_costs_nothing_and_while_turning_waits() {
    let (none, done) = (Census::default(), census(&[Standing::Done]));
    let back = advanced(publishing().step(&facts("a", &none), at(2)));
    assert_eq!((back.phase, back.sequence), (Phase::Steady { root: root("a") }, publishing().sequence + 1));
    let other = advanced(publishing().step(&facts("c", &done), at(2)));
    assert_eq!(other.phase, Phase::Publishing { signer: root("a"), next: root("c") });
    assert_eq!(other.since, at(2));
    let behind = census(&[Standing::Behind]);
    held(turning().step(&facts("c", &behind), at(3)));
    let settled = advanced(turning().step(&facts("c", &done), at(3)));
    assert_eq!(settled.phase, Phase::Steady { root: root("b") });
    let next = advanced(settled.step(&facts("c", &none), at(4)));
    assert_eq!(next.phase, Phase::Publishing { signer: root("b"), next: root("c") });
}

#[test]
fn an_expired_root_is_replaced_at_once() {
    let absent = census(&[Standing::Absent]);
    let expired = Facts { signer_expired: true, ..facts("b", &absent) };
    for rotation in [mesh(), publishing()] {
        assert_eq!(advanced(rotation.step(&expired, at(2))).phase, Phase::Steady { root: root("b") });
    }
    assert_eq!(mesh().step(&Facts { wanted: root("a"), ..expired }, at(2)), Step::Stay(None));
}

#[test]
fn a_root_is_named_by_its_certificate() {
    let id = root("a");
    assert_eq!(RootId::from_bytes(id.as_bytes()), Some(id));
    assert_eq!(RootId::from_bytes(b"short"), None);
    assert_ne!(id, root("b"));
    assert_eq!(id.to_string().len(), 16);
}
