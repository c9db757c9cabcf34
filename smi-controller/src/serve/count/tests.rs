use super::*;

fn stamp(generation: i64) -> Stamp {
    Stamp { uid: "u".into(), generation, bundle: 0, leaving: false }
}

fn count(generation: i64, programmed: usize, concerned: usize) -> Count {
    let behind = (programmed < concerned).then(|| "shop/late".to_owned());
    Count { stamp: stamp(generation), concerned, programmed, behind, refused: None, cut: 1 }
}

fn said<'a>(replica: &'a str, count: &'a Count) -> Said<'a> {
    Said { replica, heard: true, count: Some(count) }
}

#[test]
fn all_replicas_are_summed_up() {
    let (own, b, c) = (count(2, 3, 3), count(2, 1, 2), count(2, 4, 4));
    let all = sum(&own, [said("b", &b), said("c", &c)], None, &BTreeMap::new());
    assert_eq!((all.programmed, all.concerned, all.cut, all.behind.as_deref()), (8, 9, 3, Some("shop/late")));
    assert!(all.unknown.is_none() && all.is_pending());
    let done = sum(&own, [said("c", &c)], None, &BTreeMap::new());
    assert!(done.is_complete());
}

#[test]
fn a_replica_that_has_said_nothing_is_waited_for() {
    let own = count(2, 3, 3);
    let silent = Said { replica: "b", heard: false, count: None };
    let all = sum(&own, [silent], None, &BTreeMap::new());
    assert_eq!(all.unknown.as_deref(), Some("replica b to say who is connected to it"));
    assert!(all.is_pending());
}

#[test]
fn counts_of_another_writing_say_nothing() {
    let own = count(2, 3, 3);
    for other in [Some(&count(1, 2, 2)), Some(&count(3, 2, 2)), None] {
        let all = sum(&own, [Said { replica: "b", heard: true, count: other }], None, &BTreeMap::new());
        assert_eq!((all.programmed, all.concerned), (3, 3));
        assert_eq!(all.unknown.as_deref(), Some("replica b to learn of it"));
    }
}

#[test]
fn who_is_away_counts_and_who_moves_counts_once() {
    let (own, b, away) = (count(2, 3, 3), count(2, 3, 3), count(2, 0, 1));
    assert_eq!(sum(&own, [said("b", &b)], Some(&away), &BTreeMap::new()).concerned, 7);
    for (surplus, left) in [(1, 5), (2, 4)] {
        let twice = BTreeMap::from([(ObjectName::new("shop", "web"), surplus)]);
        let all = sum(&own, [said("b", &b)], None, &twice);
        assert_eq!((all.programmed, all.concerned), (left, left));
        assert!(!all.is_complete(), "somebody is out of date");
    }
}
