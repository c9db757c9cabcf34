use super::*;
use crate::catalog::testing::{exports, service};

fn line() -> Line {
    Line { mesh: "west".parse().unwrap(), cluster: "west".parse().unwrap(), audience: "east".parse().unwrap() }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn now() -> SystemTime {
    at(1_000_000)
}

fn web(tokens: &[&str]) -> Exports {
    exports(&[("web", service(1, &[(80, "http")], tokens))])
}

fn message(sequence: u64, exports: &Exports, content: Content) -> proto::Catalog {
    proto::Catalog {
        mesh: "west".into(),
        cluster: "west".into(),
        audience: "east".into(),
        sequence,
        digest: exports.digest().as_bytes().to_vec().into(),
        lease: 30,
        issued_at: 1_000_000,
        content: Some(content),
    }
}

fn whole(sequence: u64, exports: &Exports) -> proto::Catalog {
    message(sequence, exports, Content::Whole(wire::exports(exports)))
}

fn delta(base: u64, sequence: u64, held: &Exports, next: &Exports) -> proto::Catalog {
    message(sequence, next, Content::Delta(Delta::between(held, next).encode(base)))
}

fn take(held: Option<&Held>, message: &proto::Catalog) -> Result<Taken, NotTaken> {
    catalog(held, &line(), &message.encode_to_vec(), now())
}

fn held(sequence: u64, exports: &Exports) -> Held {
    Held { sequence, digest: exports.digest(), exports: Some(Arc::new(exports.clone())) }
}

#[test]
fn a_whole_then_deltas() {
    let (first, second) = (web(&["a"]), web(&["a", "b"]));
    let Ok(Taken::New(one)) = take(None, &whole(5, &first)) else { panic!("the whole isn't taken") };
    assert_eq!(one, held(5, &first));
    assert_eq!(take(Some(&one), &delta(5, 6, &first, &second)), Ok(Taken::New(held(6, &second))));
    assert_eq!(take(Some(&one), &whole(5, &first)), Ok(Taken::Same));
}

#[test]
fn a_catalog_rolled_back_is_refused() {
    let refused = take(Some(&held(6, &web(&["b"]))), &whole(5, &web(&["a"])));
    assert_eq!(refused, Err(NotTaken::RolledBack { held: 6, given: 5 }));
}

#[test]
fn a_sequence_signed_twice_is_refused() {
    assert_eq!(take(Some(&held(5, &web(&["b"]))), &whole(5, &web(&["a"]))), Err(NotTaken::Equivocation(5)));
}

#[test]
fn after_a_gap_the_whole_is_asked_for() {
    let (first, third) = (web(&["a"]), web(&["a", "b"]));
    for held in [None, Some(held(4, &first))] {
        let refused = take(held.as_ref(), &delta(5, 6, &first, &third)).unwrap_err();
        assert!(refused == NotTaken::Gap { base: 5 } && refused.wants_whole());
    }
}

#[test]
fn a_delta_over_another_content_is_refused() {
    let (first, other, next) = (web(&["a"]), web(&["c"]), web(&["a", "b"]));
    let refused = take(Some(&held(5, &other)), &delta(5, 6, &first, &next)).unwrap_err();
    assert!(refused == NotTaken::WrongDigest && refused.wants_whole());
}

#[test]
fn a_catalog_for_or_of_another_is_refused() {
    for (edit, field) in [
        (&(|m: &mut proto::Catalog| m.audience = "north".into()) as &dyn Fn(&mut proto::Catalog), "audience"),
        (&|m| m.mesh = "north".into(), "mesh"),
        (&|m| m.cluster = "west-2".into(), "cluster"),
    ] {
        let mut message = whole(5, &web(&["a"]));
        edit(&mut message);
        let refused = take(None, &message).unwrap_err();
        assert!(matches!(&refused, NotTaken::Misdirected { field: f, .. } if *f == field), "{refused}");
    }
}

#[test]
fn what_is_known_by_its_sequence_alone_is_a_floor_that_the_same_content_fills() {
    let exports = web(&["a"]);
    let floor = Held { exports: None, ..held(5, &exports) };
    assert!(matches!(take(Some(&floor), &whole(4, &exports)), Err(NotTaken::RolledBack { .. })));
    assert_eq!(take(Some(&floor), &whole(5, &web(&["b"]))), Err(NotTaken::Equivocation(5)));
    assert_eq!(take(Some(&floor), &whole(5, &exports)), Ok(Taken::New(held(5, &exports))));
}

#[test]
fn a_withdrawal_is_a_floor_too() {
    let exports = web(&["a"]);
    let withdrawn = message(6, &Exports::default(), Content::Withdrawn(proto::Nothing {}));
    let Ok(Taken::Withdrawn(after)) = take(Some(&held(5, &exports)), &withdrawn) else { panic!("not withdrawn") };
    assert!(matches!(take(Some(&after), &whole(5, &exports)), Err(NotTaken::RolledBack { .. })));
    assert!(matches!(take(Some(&after), &whole(7, &exports)), Ok(Taken::New(_))));
}

#[test]
fn clocks_may_differ_by_five_minutes_and_not_by_an_hour() {
    let heartbeat = |issued_at| proto::Heartbeat {
        mesh: "west".into(),
        cluster: "west".into(),
        audience: "east".into(),
        sequence: 5,
        counter: 9,
        issued_at,
    };
    for (off, good) in
        [(0, true), (300, true), (-300, true), (3600, false), (-3600, false), (i64::MAX, false), (i64::MIN, false)]
    {
        let message = heartbeat(off.saturating_add(1_000_000));
        let taken = super::heartbeat(&line(), &message.encode_to_vec(), now());
        assert_eq!(taken.is_ok(), good, "{off}: {taken:?}");
    }
    // A catalog may be old: it is the newest until another is signed. It can't be of the future.
    let signed = |issued_at| take(None, &proto::Catalog { issued_at, ..whole(5, &web(&["a"])) });
    assert!(signed(1_000_000 - 30 * 86_400).is_ok() && signed(1_000_000 + 300).is_ok());
    assert_eq!(signed(1_000_000 + 3600), Err(NotTaken::Clock { issued_at: 1_003_600 }));
}

#[test]
fn what_is_too_long_or_not_a_message_is_refused() {
    let long = vec![0; MAX_CATALOG_BYTES + 1];
    assert_eq!(catalog(None, &line(), &long, now()), Err(NotTaken::TooLong(long.len())));
    assert!(matches!(catalog(None, &line(), b"\xff\xff", now()), Err(NotTaken::Bad(BadMessage::Unreadable(_)))));
}
