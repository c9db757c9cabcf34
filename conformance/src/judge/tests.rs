use super::*;

fn check(yaml: &str) -> Check {
    crate::yaml::read(&format!("{{ from: client, to: server, {yaml} }}")).unwrap()
}

fn by(service: &str, count: u64) -> Seen {
    Seen {
        status: Some(200),
        service: Some(service.into()),
        host: Some(format!("{service}-1")),
        port: Some(9091),
        count,
        ..Seen::default()
    }
}

fn status(status: u16) -> Seen {
    Seen { status: Some(status), count: 1, ..Seen::default() }
}

fn fault(fault: &str) -> Seen {
    Seen { fault: Some(fault.into()), count: 1, ..Seen::default() }
}

fn good(asked: &str, seen: &[Seen]) -> bool {
    holds(&check(asked), seen, &Profile::named("isthmus").unwrap())
}

#[test]
fn an_answer_is_one_of_a_program() {
    assert!(good("is: allowed", &[by("server", 1)]));
    assert!(!good("is: allowed", &[status(200)]), "a proxy's isn't");
    assert!(!good("is: allowed", &[by("server", 9), status(503)]), "each of them");
    assert!(!good("is: allowed", &[]), "nothing sent is nothing shown");
    assert!(good("at: 9091", &[by("server", 1)]) && !good("at: 9093", &[by("server", 1)]));
    assert!(good("pods: 2", &[by("v1", 1), by("v2", 1)]) && !good("pods: 2", &[by("v1", 2)]));
}

#[test]
fn a_refusal_is_one_of_the_mesh() {
    let grpc = Seen { grpc: Some(7), ..status(200) };
    for refused in [status(403), fault("closed"), grpc] {
        assert!(good("is: denied", &[refused]));
    }
    let by_app = Seen { status: Some(403), ..by("server", 1) };
    for other in [by_app, status(503), fault("refused"), fault("timeout"), by("server", 1)] {
        assert!(!good("is: denied", std::slice::from_ref(&other)), "{other:?}");
    }
    assert!(good("is: forbidden", &[status(403)]) && !good("is: forbidden", &[fault("closed")]));
}

#[test]
fn who_called_is_what_the_program_was_told() {
    let called = |caller: Option<&str>| Seen { caller: caller.map(str::to_owned), ..by("server", 1) };
    let (one, other) = ("spiffe://east.local/ns/n/sa/client", "spiffe://west.local/ns/n/sa/client");
    let asked = format!("caller: \"{one}\"");
    assert!(good(&asked, &[called(Some(one))]) && good("", &[called(Some(one))]));
    assert!(!good(&asked, &[called(Some(other))]) && !good(&asked, &[called(None)]));
    assert_eq!(words(&check(&asked), &[called(Some(other))]), format!("200 by server, called by {other}"));
}

#[test]
fn only_what_came_through_has_leaked() {
    assert!(leaked(&check("is: denied"), &[status(403), by("server", 1)]));
    assert!(!leaked(&check("is: denied"), &[status(503)]), "there may be nobody yet");
    assert!(!leaked(&check(""), &[by("server", 1)]));
}

#[test]
fn meshes_refuse_in_their_own_way() {
    let osm = Profile::named("osm").unwrap();
    assert!(holds(&check("is: denied"), &[fault("refused")], &osm));
}

#[test]
fn nobody_there_is_no_refusal() {
    assert!(good("is: unavailable", &[status(503)]) && good("is: unavailable", &[fault("refused")]));
    assert!(!good("is: unavailable", &[status(403)]) && !good("is: unavailable", &[by("server", 1)]));
}

#[test]
fn shares_are_of_programs_and_of_nobody() {
    assert!(good("times: 10, by: { v1: 100 }", &[by("v1", 10)]));
    assert!(!good("times: 10, by: { v1: 100 }", &[by("v1", 9), by("v2", 1)]));
    let nobody = Seen { count: 250, ..status(503) };
    assert!(good("times: 500, by: { v1: 50, nobody: 50 }", &[by("v1", 250), nobody.clone()]));
    assert!(!good("times: 500, by: { v1: 100 }", &[by("v1", 250), nobody]));
}

#[test]
fn what_is_told_is_what_a_reader_wants() {
    let asked = check("path: /x, headers: { a: b }, times: 2, by: { v1: 100 }");
    assert_eq!(request(&asked), "2 × client: GET http://server:9091/x a: b");
    assert_eq!(expected(&asked), "v1 100 %");
    assert_eq!(words(&asked, &[by("v1", 1), status(403)]), "1 × 200 by v1, 1 × 403");
    assert_eq!(request(&check("protocol: tcp, port: 9092, namespace: far")), "client: tcp://server.far:9092");
    assert_eq!(words(&check("is: denied"), &[fault("closed")]), "closed");
}
