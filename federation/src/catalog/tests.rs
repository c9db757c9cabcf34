use isthmus_api::federation::v1 as proto;

use super::{
    testing::{exports, service},
    wire::{self, BadMessage},
};
use crate::limits::{MAX_ENDPOINTS, MAX_GATEWAYS, MAX_PORTS, MAX_SERVICES};

#[test]
fn a_catalog_comes_back_from_the_wire_as_it_was() {
    let all = exports(&[("web", service(1, &[(80, "http"), (443, "")], &["a", "b"])), ("db", service(2, &[], &[]))]);
    let back = wire::read_exports(wire::exports(&all)).unwrap();
    assert_eq!((&back, back.digest()), (&all, all.digest()));
    assert_ne!(all.digest(), exports(&[]).digest());
}

#[test]
fn what_does_not_fit_is_refused_with_the_field_and_its_value() {
    let good = || wire::exports(&exports(&[("web", service(1, &[(80, "http")], &["a"]))]));
    let refused = |edit: &dyn Fn(&mut proto::Exports)| {
        let mut message = good();
        edit(&mut message);
        wire::read_exports(message).unwrap_err().to_string()
    };
    for (edit, says) in [
        (
            &(|m: &mut proto::Exports| m.services[0].name = "Web".into()) as &dyn Fn(&mut proto::Exports),
            "name: \"Web\"",
        ),
        (&|m| m.services[0].namespace = "a.b".into(), "namespace: \"a.b\""),
        (&|m| m.services[0].ports[0].port = 0, "port.port: \"0\""),
        (&|m| m.services[0].ports[0].name = "a b".into(), "port.name: \"a b\""),
        (&|m| m.services[0].endpoints[0].token = "A".into(), "endpoint.token: \"A\""),
        (&|m| m.services[0].endpoints[0].spiffe_id = "spiffe://x".into(), "endpoint.spiffe_id"),
        (&|m| m.services[0].endpoints[0].ready = vec![70_000], "endpoint.ready: \"70000\""),
        (
            &|m| m.gateways = vec!["127.0.0.1:15001".into()],
            "gateways: \"127.0.0.1:15001\": it is no address of another mesh",
        ),
        (&|m| m.gateways = vec!["[::ffff:127.0.0.1]:15001".into()], "it is no address of another mesh"),
        (
            &|m| m.services[0].endpoints[0].flat = vec![proto::Flat { port: 80, address: "0.0.0.0:80".into() }],
            "flat.address: \"0.0.0.0:80\"",
        ),
        (&|m| m.gateways = vec!["west:15443".into()], "gateways: \"west:15443\": host \"west\" must be"),
        (&|m| m.services.push(m.services[0].clone()), "service \"shop/web\" is there twice"),
        (
            &|m| {
                let e = m.services[0].endpoints[0].clone();
                m.services[0].endpoints.push(e)
            },
            "endpoint \"a\" is there twice",
        ),
    ] {
        let error = refused(edit);
        assert!(error.contains(says), "{error} doesn't say {says}");
    }
}

#[test]
fn a_catalog_has_bounds() {
    let good = wire::exports(&exports(&[("web", service(1, &[(80, "http")], &["a"]))]));
    let over = |edit: &dyn Fn(&mut proto::Exports)| {
        let mut message = good.clone();
        edit(&mut message);
        matches!(wire::read_exports(message), Err(BadMessage::TooMany { found, limit, .. }) if found == limit + 1)
    };
    assert!(over(&|m| m.services = vec![m.services[0].clone(); MAX_SERVICES + 1]));
    assert!(over(&|m| m.gateways = vec!["1.2.3.4:5".into(); MAX_GATEWAYS + 1]));
    assert!(over(&|m| m.services[0].ports = vec![m.services[0].ports[0].clone(); MAX_PORTS + 1]));
    assert!(over(&|m| m.services[0].endpoints = vec![m.services[0].endpoints[0].clone(); MAX_ENDPOINTS + 1]));
    assert!(over(&|m| m.services[0].endpoints[0].ready = vec![80; MAX_PORTS + 1]));
}

#[test]
fn digests_have_a_text() {
    let digest = exports(&[]).digest();
    assert_eq!(digest.to_string().parse(), Ok(digest));
    for bad in
        ["", "sha256:", &"a".repeat(71), &format!("sha256:{}", "g".repeat(64)), &format!("sha256:{}", "é".repeat(32))]
    {
        assert!(bad.parse::<super::Digest>().is_err(), "{bad}");
    }
}
