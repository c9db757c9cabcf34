use isthmus_core::{id::ObjectName, shares::Share};
use isthmus_k8s::split::MeasuredBackend;

use super::*;

fn checked(generation: i64, faults: Vec<Fault>) -> Checked {
    Checked { uid: "u".into(), generation, faults }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn effect(programmed: usize, concerned: usize) -> InEffect {
    InEffect { concerned, programmed, ..InEffect::default() }
}

fn read(status: &Status, kind: &str) -> (String, String, String) {
    let condition = status.condition(kind).unwrap();
    (condition.status.clone(), condition.reason.clone(), condition.message.clone())
}

fn text(a: &str, b: &str, c: &str) -> (String, String, String) {
    (a.into(), b.into(), c.into())
}

fn smi(before: &Status, checked: &Checked, effect: &InEffect, now: Timestamp) -> Status {
    status(Kind::TrafficSplit, before, checked, effect, None, None, now)
}

#[test]
fn programmed_counts_proxies() {
    let of = |effect| read(&smi(&Status::default(), &checked(1, vec![]), &effect, at(1)), "Programmed");
    assert_eq!(of(effect(3, 3)), text("True", "Programmed", "3/3 proxies"));
    assert_eq!(of(effect(1, 3)), text("False", "Pending", "1/3 proxies"));
    assert_eq!(of(effect(0, 0)), text("True", "Unused", "no proxy uses it yet"));
    let refused = InEffect { refused: Some(("shop/a".into(), "too big".into())), ..effect(2, 3) };
    assert_eq!(of(refused), text("False", "Refused", "2/3 proxies; the proxy of shop/a refused it: too big"));
    let behind = InEffect { behind: Some("shop/a".into()), ..effect(2, 3) };
    assert_eq!(of(behind), text("False", "Pending", "2/3 proxies; waiting for the proxy of shop/a"));
}

#[test]
fn nothing_is_in_effect_everywhere_while_there_may_be_other_proxies() {
    let of = |effect| read(&smi(&Status::default(), &checked(1, vec![]), &effect, at(1)), "Programmed");
    let unknown = |effect| InEffect { unknown: Some("replica b to learn of it".into()), ..effect };
    assert_eq!(
        of(unknown(effect(3, 3))),
        text("False", "Pending", "3/3 proxies; waiting for replica b to learn of it")
    );
    assert_eq!(
        of(unknown(effect(0, 0))),
        text("False", "Pending", "0/0 proxies; waiting for replica b to learn of it")
    );
}

#[test]
fn nobody_takes_a_udp_route_for_enforced() {
    let hint = Fault::hint(Reason::NotEnforced, UDP_NOT_ENFORCED);
    let status = status(Kind::UdpRoute, &Status::default(), &checked(1, vec![hint]), &effect(3, 3), None, None, at(1));
    assert_eq!(read(&status, "Programmed"), text("False", "NotEnforced", UDP_NOT_ENFORCED));
    assert_eq!(read(&status, "Accepted").0, "True");
}

#[test]
fn faults_are_in_the_condition_that_they_concern() {
    let faults = vec![
        Fault::excluded(Reason::DuplicateSplit, "older one"),
        Fault::unresolved(Reason::PortMismatch, "no port 80"),
        Fault::unresolved(Reason::PortMismatch, "no port 81"),
        Fault::hint(Reason::NestedSplit, "by the way"),
    ];
    let status = smi(&Status::default(), &checked(1, faults), &effect(0, 0), at(1));
    assert_eq!(read(&status, "Accepted"), text("False", "DuplicateSplit", "older one"));
    assert_eq!(read(&status, "ResolvedRefs"), text("False", "PortMismatch", "no port 80; no port 81"));
    assert_eq!(read(&status, "Programmed").1, "NotAccepted");
    let partly = vec![Fault::partly(Reason::InvalidRegex, "bad")];
    let status = smi(&Status::default(), &checked(1, partly), &effect(1, 1), at(1));
    assert_eq!(read(&status, "Accepted").1, "InvalidRegex");
    assert_eq!(read(&status, "Programmed").0, "True", "what is left of it is in effect");
}

#[test]
fn a_condition_keeps_its_time_until_it_turns() {
    let first = smi(&Status::default(), &checked(1, vec![]), &effect(1, 1), at(1));
    let second = smi(&first, &checked(2, vec![]), &effect(0, 1), at(2));
    let third = smi(&second, &checked(2, vec![]), &effect(0, 1), at(3));
    let time = |status: &Status, kind| status.condition(kind).unwrap().last_transition_time.0;
    assert_eq!((time(&second, "Accepted"), time(&second, "Programmed")), (at(1), at(2)));
    assert_eq!(second, third);
    assert_eq!(second.observed_generation, Some(2));
}

#[test]
fn a_peer_says_whether_it_is_connected_and_trusted() {
    let link = Link { up: true, reason: "Connected", message: "by hub 192.0.2.1:15030".into(), names: None };
    let of = |faults, effect, link| {
        let status = status(Kind::MeshPeer, &Status::default(), &checked(1, faults), &effect, link, None, at(1));
        assert!(status.condition("Programmed").is_none());
        (read(&status, "Connected"), read(&status, "TrustPropagated"))
    };
    let (connected, trusted) = of(vec![], effect(412, 412), Some(&link));
    assert_eq!(connected, text("True", "Connected", "by hub 192.0.2.1:15030"));
    assert_eq!(trusted, text("True", "TrustPropagated", "412/412 proxies hold its bundle"));
    let (connected, trusted) = of(vec![], effect(411, 412), None);
    assert_eq!(connected, text("False", "NotConnected", "nothing has been heard yet"));
    assert_eq!(trusted, text("False", "Pending", "411/412 proxies hold its bundle"));
    let failed = Link { names: Some(Err("west.example: SERVFAIL".into())), ..link.clone() };
    let named =
        status(Kind::MeshPeer, &Status::default(), &checked(1, vec![]), &effect(1, 1), Some(&failed), None, at(1));
    assert_eq!(read(&named, "GatewaysResolved"), text("False", "LookupFailed", "west.example: SERVFAIL"));
    let missing = vec![Fault::unresolved(Reason::BundleMissing, "not yet")];
    assert_eq!(of(missing, effect(0, 0), None).1, text("False", "BundleMissing", "not yet"));
}

#[test]
fn weights_are_verified_by_what_was_measured() {
    let share = |name, weight, requests| (ObjectName::new("shop", name), Share { weight, requests });
    let of = |measured: Option<&Measured>| {
        let status =
            status(Kind::TrafficSplit, &Status::default(), &checked(1, vec![]), &effect(1, 1), None, measured, at(1));
        read(&status, "WeightVerified")
    };
    assert_eq!(of(None), text("Unknown", "NotMeasured", "nothing has been measured of this generation yet"));
    let good = Measured::Shares(vec![share("blue", 1, 500), share("green", 3, 1500)]);
    let message = "of 2000 requests each backend got its share, to within 5.5 points";
    assert_eq!(of(Some(&good)), text("True", "SharesAsWanted", message));
    let bad = Measured::Shares(vec![share("blue", 0, 500), share("green", 3, 1500)]);
    let message = "of 2000 requests backend blue got 25.0%, and was to get 0.0%: chance explains 0.0 points";
    assert_eq!(of(Some(&bad)), text("False", "SharesDiffer", message));
    let few = Measured::Shares(vec![share("blue", 1, 5), share("green", 3, 15)]);
    assert_eq!(of(Some(&few)), text("Unknown", "TooFewRequests", "20 requests are too few to tell"));
    assert_eq!(of(Some(&Measured::Incomparable)).1, "PortMismatch");
    let none = Measured::Shares(vec![share("blue", 0, 0)]);
    assert_eq!(of(Some(&none)).1, "NothingDealt");
    let figures = backends(Some(&good)).unwrap();
    let figure = |backend: &MeasuredBackend| (backend.service.clone(), backend.share.clone(), backend.requests);
    assert_eq!(
        figures.iter().map(figure).collect::<Vec<_>>(),
        [("blue".to_owned(), "25.0%".to_owned(), 500), ("green".to_owned(), "75.0%".to_owned(), 1500)]
    );
    let excluded = checked(1, vec![Fault::excluded(Reason::DuplicateSplit, "older")]);
    let status = status(Kind::TrafficSplit, &Status::default(), &excluded, &effect(0, 0), None, Some(&good), at(1));
    assert_eq!(read(&status, "WeightVerified").1, "NotAccepted");
}

#[test]
fn what_another_leader_has_measured_of_this_generation_stays() {
    let good = Measured::Shares(vec![
        (ObjectName::new("shop", "blue"), Share { weight: 1, requests: 500 }),
        (ObjectName::new("shop", "green"), Share { weight: 1, requests: 500 }),
    ]);
    let at_generation = |before: &Status, generation, measured| {
        let (checked, effect) = (checked(generation, vec![]), effect(1, 1));
        status(Kind::TrafficSplit, before, &checked, &effect, None, measured, at(generation))
    };
    let first = at_generation(&Status::default(), 1, Some(&good));
    assert_eq!(at_generation(&first, 1, None), first);
    assert_eq!(read(&at_generation(&first, 2, None), "WeightVerified").1, "NotMeasured");
}
