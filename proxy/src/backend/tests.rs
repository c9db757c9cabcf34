use super::*;

#[test]
fn tiers_follow_priorities_and_in_each_the_fresh_come_first() {
    let tier = |fresh: Range<usize>, end| Tier { stale: fresh.end..end, fresh };
    for (places, priorities, tiers) in [
        (vec![], vec![], vec![]),
        (vec![(0, false), (0, false)], vec![0], vec![tier(0..2, 2)]),
        (vec![(0, true)], vec![0], vec![tier(0..0, 1)]),
        (
            vec![(0, false), (1, false), (1, true), (1, true), (7, true)],
            vec![0, 1, 7],
            vec![tier(0..1, 1), tier(1..2, 4), tier(4..4, 5)],
        ),
    ] {
        assert_eq!(tiers_of(&places), (priorities, tiers), "{places:?}");
    }
}

#[test]
fn a_place_is_what_the_backend_says_of_an_endpoint() {
    let local = Endpoint::local("10.0.0.1:80".parse().unwrap(), None, "shop/a");
    assert_eq!(place(&local), (0, false));
    let remote = isthmus_core::destination::Remote {
        server_name: "p80.a.shop.svc.west.mesh".into(),
        mesh: "west".parse().unwrap(),
        stale: true,
    };
    assert_eq!(place(&Endpoint { remote: Some(remote), priority: 3, ..local }), (3, true));
}

#[test]
fn what_was_written_of_an_endpoint_holds_as_long_as_it_is_the_same_one() {
    let mut place = None;
    let first = known(&mut place, 0);
    assert!(Rc::ptr_eq(&first, &known(&mut place, 0)));
    let other = known(&mut place, 1);
    assert!(!Rc::ptr_eq(&first, &other) && Rc::ptr_eq(&other, &known(&mut place, 1)));
}
