use super::*;

#[test]
fn a_filter_takes_what_all_its_parts_agree_to() {
    let workload = Workload {
        mesh: "isthmus.local".into(),
        namespace: "shop".into(),
        service_account: "web".into(),
        kind: "Deployment".into(),
        name: "web".into(),
        pod: "web-1".into(),
    };
    let seen = Seen {
        inbound: true,
        method: Some("GET"),
        path: Some("/api/x"),
        status: Some(503),
        peer: Some(&workload),
        service: Some("shop/api"),
    };
    let peer = |kind: &str, name: &str| Peer {
        namespace: "shop".into(),
        kind: kind.into(),
        name: name.into(),
        ..Peer::default()
    };
    let none = Filter::default;
    assert!(none().takes(seen) && none().takes(Seen::default()));
    for (takes, filter) in [
        (true, Filter { inbound: Some(true), ..none() }),
        (false, Filter { inbound: Some(false), ..none() }),
        (true, Filter { method: Some("GET".into()), ..none() }),
        (false, Filter { method: Some("get".into()), ..none() }),
        (true, Filter { path_prefix: Some("/api".into()), ..none() }),
        (false, Filter { path_prefix: Some("/apis".into()), ..none() }),
        (true, Filter { status: Some(Status::Class(5)), ..none() }),
        (false, Filter { status: Some(Status::Code(500)), ..none() }),
        (true, Filter { peer: Some(peer("Deployment", "web")), ..none() }),
        (true, Filter { peer: Some(peer("", "")), ..none() }),
        (false, Filter { peer: Some(peer("Job", "web")), ..none() }),
        (true, Filter { service: Some(ObjectName::new("shop", "api")), ..none() }),
        (false, Filter { service: Some(ObjectName::new("shop", "ap")), ..none() }),
        (false, Filter { method: Some("GET".into()), status: Some(Status::Code(200)), ..none() }),
    ] {
        assert_eq!(filter.takes(seen), takes, "{filter:?}");
        assert!(filter.inbound.is_some() || !filter.takes(Seen::default()), "nothing is known: {filter:?}");
    }
}
