use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn door(source_burst: u32, source_rate: u32) -> Admission {
    Admission::new(Bounds { connections: 10, source_burst, source_rate, ..Bounds::default() })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn each_source_has_a_rate() {
    let door = door(2, 1);
    let arrive = |source: &str, now| door.arrive(ip(source), now);
    assert_eq!((arrive("10.0.0.1", SECOND), arrive("10.0.0.1", SECOND)), (Ok(()), Ok(())));
    assert_eq!(arrive("10.0.0.1", SECOND), Err(Refusal::Rate));
    assert_eq!(arrive("::ffff:10.0.0.1", SECOND), Err(Refusal::Rate), "the same host");
    assert_eq!(arrive("10.0.0.2", SECOND), Ok(()));
    assert_eq!(arrive("10.0.0.1", 2 * SECOND), Ok(()));
}

#[test]
fn a_network_of_one_host_is_one_source() {
    let door = door(1, 1);
    assert_eq!(door.arrive(ip("fd00:0:0:1::1"), SECOND), Ok(()));
    assert_eq!(door.arrive(ip("fd00:0:0:1:ffff::2"), SECOND), Err(Refusal::Rate));
    assert_eq!(door.arrive(ip("fd00:0:0:2::1"), SECOND), Ok(()));
}

#[test]
fn only_so_many_sources_are_remembered() {
    const START: Duration = Duration::ZERO;
    let door = door(2, 1);
    let source = |n: usize| IpAddr::from(std::net::Ipv4Addr::from(u32::try_from(n).unwrap()));
    for n in 0..SOURCES {
        assert_eq!(door.arrive(source(n), START), Ok(()));
    }
    let beyond = |n: usize, now| door.arrive(source(SOURCES + n), now);
    assert_eq!((beyond(1, START), beyond(2, START)), (Ok(()), Ok(())));
    assert_eq!(beyond(3, START), Err(Refusal::Rate), "new ones share a rate");
    assert_eq!(door.arrive(source(0), START), Ok(()), "known ones have their own");
    door.sweep(60 * SECOND);
    assert!(door.rates.borrow().is_empty());
    assert_eq!((beyond(3, 61 * SECOND), beyond(3, 61 * SECOND)), (Ok(()), Ok(())));
}

#[test]
fn one_source_leaves_places_for_others() {
    let door = door(100, 100);
    let held: Vec<_> = std::iter::from_fn(|| door.place(ip("10.0.0.1")).ok()).collect();
    assert_eq!(held.len(), 8);
    assert!(door.place(ip("10.0.0.2")).is_ok());
}
