use super::*;
use crate::{
    catalog::testing::{exports, service},
    limits::MAX_ENDPOINTS,
    testing::{Trust, cluster, mesh},
};

struct Fixture {
    outgoing: Outgoing,
    svid: Svid,
    now: Instant,
    wall: SystemTime,
}

impl Fixture {
    fn new() -> Self {
        let svid = Trust::new("west.local").controller();
        Self { outgoing: Outgoing::default(), svid, now: Instant::now(), wall: SystemTime::now() }
    }

    fn offer(&mut self, services: usize) {
        let names: Vec<_> = (0..services).map(|n| format!("s{n}")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), service(1, &[(80, "http")], &["a"]))).collect();
        self.outgoing.offer(Some(Arc::new(exports(&all))));
    }

    fn publish(&mut self) -> Result<proto::Addressed, NotPublished> {
        assert!(self.outgoing.is_due(&self.svid));
        self.outgoing.publish(&line(), &self.svid, self.now, self.wall)
    }
}

fn line() -> Line {
    Line { mesh: mesh("west"), cluster: cluster("west"), audience: mesh("east") }
}

#[test]
fn changes_are_replaced_by_a_whole_when_they_come_to_as_many_bytes() {
    let mut exporter = Fixture::new();
    exporter.offer(50);
    let whole = exporter.publish().unwrap();
    assert_eq!(whole.base, 0);
    let (mut deltas, mut last) = (0, whole.sequence);
    loop {
        exporter.offer(if deltas % 2 == 0 { 51 } else { 50 });
        let next = exporter.publish().unwrap();
        assert!(next.sequence > last);
        if next.base == 0 {
            break;
        }
        assert_eq!(next.base, last);
        (deltas, last) = (deltas + 1, next.sequence);
    }
    assert!((2..=MAX_DELTAS).contains(&deltas), "{deltas} changes came before the next whole");
    assert!(!exporter.outgoing.is_due(&exporter.svid));
}

#[test]
fn a_catalog_that_is_too_long_is_said_once_and_the_next_offer_is_tried() {
    let letter = |digit: u8| char::from(digit - b'0' + b'a');
    let token = |n: usize| n.to_string().bytes().map(letter).collect::<String>();
    let tokens: Vec<_> = (0..MAX_ENDPOINTS + 1).map(token).collect();
    let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
    let allowed = service(1, &[(80, "http")], &tokens[..MAX_ENDPOINTS]);
    let long: Vec<_> =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|name| (name, Arc::clone(&allowed))).into();
    let many = vec![("web", service(1, &[(80, "http")], &tokens))];
    for (all, says) in [(long, "bytes; at most"), (many, "10001 endpoints of a service")] {
        let mut exporter = Fixture::new();
        exporter.outgoing.offer(Some(Arc::new(exports(&all))));
        let refused = exporter.publish().map(drop).unwrap_err().to_string();
        assert!(refused.contains(says) && refused.contains("export fewer"), "{refused}");
        assert!(!exporter.outgoing.is_due(&exporter.svid) && exporter.outgoing.next_beat().is_none());
        exporter.offer(1);
        assert!(exporter.publish().is_ok());
    }
}

#[test]
fn a_new_certificate_seals_the_whole_anew() {
    let mut exporter = Fixture::new();
    exporter.offer(1);
    let first = exporter.publish().unwrap();
    assert!(!exporter.outgoing.is_due(&exporter.svid));
    exporter.svid = Trust::new("west.local").controller();
    let again = exporter.publish().unwrap();
    assert!(again.base == 0 && again.sequence > first.sequence && again.digest == first.digest);
}

#[test]
fn a_hub_that_has_lost_it_is_given_the_same_again() {
    let mut exporter = Fixture::new();
    exporter.offer(1);
    let first = exporter.publish().unwrap();
    exporter.outgoing.begin_session();
    let again = exporter.publish().unwrap();
    assert_eq!((again.sequence, again.digest.clone(), again.base), (first.sequence, first.digest, 0));
    exporter.outgoing.begin_session();
    exporter.outgoing.told(again.sequence, Digest::from_bytes(&again.digest), exporter.wall);
    assert!(!exporter.outgoing.is_due(&exporter.svid), "the hub has it");
}

#[test]
fn sequences_go_on_from_what_is_told_and_not_from_what_is_made_up() {
    let mut exporter = Fixture::new();
    exporter.offer(1);
    let soon = millis(exporter.wall) + 60_000;
    exporter.outgoing.told(soon, None, exporter.wall);
    exporter.outgoing.told(u64::MAX, None, exporter.wall);
    assert_eq!(exporter.publish().unwrap().sequence, soon + 1);
}

#[test]
fn signs_of_life_come_at_their_time_and_end_with_the_offer() {
    let mut exporter = Fixture::new();
    exporter.offer(1);
    let beat = |exporter: &mut Fixture| {
        exporter.outgoing.beat(&line(), &exporter.svid, exporter.now, exporter.wall).map(|beat| beat.unwrap().sequence)
    };
    assert_eq!(beat(&mut exporter), None, "nothing is published yet");
    let sequence = exporter.publish().unwrap().sequence;
    assert_eq!(beat(&mut exporter), None, "a catalog is a sign of life");
    exporter.now += HEARTBEAT;
    assert_eq!((beat(&mut exporter), beat(&mut exporter)), (Some(sequence), None));
    exporter.outgoing.offer(None);
    exporter.publish().unwrap();
    exporter.now += HEARTBEAT;
    assert_eq!(beat(&mut exporter), None);
}
