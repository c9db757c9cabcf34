use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn source(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, n).into()
}

/// Takes places for a source until it is refused.
fn fill(places: &Rc<Places>, n: u8) -> Vec<Place> {
    std::iter::from_fn(|| places.take(source(n))).collect()
}

#[test]
fn one_source_leaves_room_for_others() {
    let places = Places::new(100);
    let greedy = fill(&places, 1);
    assert_eq!(greedy.len(), 80);
    let second = fill(&places, 2);
    assert!(!second.is_empty() && places.free() > 0);
    drop(greedy);
    assert!(places.take(source(1)).is_some(), "what was given back can be had again");
    drop(second);
    assert_eq!((places.taken.get(), places.held.borrow().len()), (0, 0));
}

#[test]
fn one_host_is_one_source_in_both_families() {
    let places = Places::new(5);
    let _v4 = fill(&places, 1);
    assert!(places.take("::ffff:10.0.0.1".parse().unwrap()).is_none());
    assert!(places.take("::ffff:10.0.0.2".parse().unwrap()).is_some());
}

proptest! {
    /// Whatever comes and goes, a source without a connection finds a place as long as there is one, and the numbers hold.
    #[test]
    fn whoever_has_nothing_finds_a_place(steps in prop::collection::vec((0u8..6, any::<bool>()), 0..400)) {
        let places = Places::new(40);
        let mut held: Vec<(u8, Place)> = Vec::new();
        for (n, takes) in steps {
            if takes {
                held.extend(places.take(source(n)).map(|place| (n, place)));
            } else if let Some(at) = held.iter().position(|(owner, _)| *owner == n) {
                held.remove(at);
            }
            prop_assert_eq!(places.taken.get(), held.len());
            prop_assert!(held.len() <= 40);
            let newcomer = places.take(source(99));
            prop_assert_eq!(newcomer.is_some(), held.len() < 40);
        }
    }
}
