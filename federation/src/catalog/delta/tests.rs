use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::catalog::testing::{endpoint, exports, name, service};

#[test]
fn one_endpoint_more_is_one_endpoint_on_the_wire() {
    let held = exports(&[("web", service(1, &[(80, "http")], &["a", "b"])), ("db", service(1, &[(5432, "")], &["c"]))]);
    let next = exports(&[("web", service(1, &[(80, "http")], &["a", "d"])), ("db", service(1, &[(5432, "")], &["c"]))]);
    let delta = Delta::between(&held, &next);
    let token = |t: &str| t.parse::<Token>().unwrap();
    let upsert = BTreeMap::from([(token("d"), endpoint("web", &[80]))]);
    let change = Change::Endpoints { upsert, remove: [token("b")].into() };
    assert_eq!(delta, Delta { changes: BTreeMap::from([(name("web"), change)]), gateways: None });
    assert_eq!(delta.apply(&held).unwrap(), next);
}

#[test]
fn a_change_of_ports_brings_the_service_whole() {
    let held = exports(&[("web", service(1, &[(80, "http")], &["a"]))]);
    let next = exports(&[("web", service(1, &[(80, "http"), (81, "admin")], &["a"]))]);
    let delta = Delta::between(&held, &next);
    assert!(matches!(delta.changes.get(&name("web")), Some(Change::Whole(_))));
    assert_eq!(delta.apply(&held).unwrap(), next);
}

#[test]
fn a_change_of_what_is_not_held_is_refused() {
    let all = exports(&[("web", service(1, &[(80, "http")], &["a"]))]);
    let none = exports(&[]);
    assert_eq!(Delta::between(&all, &none).apply(&none), Err(Unfit("shop/web".to_owned())));
    let fewer = exports(&[("web", service(1, &[(80, "http")], &[]))]);
    let error = Delta::between(&all, &fewer).apply(&fewer).unwrap_err();
    assert!(error.to_string().contains("endpoint a of shop/web"), "{error}");
}

#[test]
fn a_whole_service_under_another_name_is_refused() {
    let next = exports(&[("web", service(1, &[(80, "http")], &["a"]))]);
    let mut message = Delta::between(&exports(&[]), &next).encode(1);
    message.changes[0].name = "db".into();
    assert!(Delta::decode(message).unwrap_err().to_string().contains("must be the service that the change names"));
}

fn any_exports() -> impl Strategy<Value = Exports> {
    let tokens = prop::collection::btree_set("[a-d]", 0..4);
    let one = (0..2_i64, prop::collection::btree_set(80..83_u16, 0..3), tokens).prop_map(|(at, ports, tokens)| {
        let ports: Vec<_> = ports.into_iter().map(|port| (port, "")).collect();
        service(at, &ports, &tokens.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let gateways = prop::collection::btree_set(1..4_u16, 0..3);
    (prop::collection::btree_map("[w-z]", one, 0..4), gateways).prop_map(|(services, gateways)| Exports {
        services: services.into_iter().map(|(of, service)| (name(&of), service)).collect(),
        gateways: gateways.into_iter().map(|port| SocketAddr::from(([10, 0, 0, 1], port)).into()).collect(),
    })
}

proptest! {
    #[test]
    fn a_delta_over_the_wire_makes_the_next_catalog(held in any_exports(), next in any_exports()) {
        let delta = Delta::decode(Delta::between(&held, &next).encode(7)).unwrap();
        prop_assert_eq!(delta.apply(&held).unwrap(), next.clone());
        prop_assert_eq!(Delta::between(&next, &next), Delta::default());
    }
}
