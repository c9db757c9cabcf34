//! Arbitrary objects of every kind and version, as its schema admits them.

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value, json};

use super::object;

/// An object without fields that aren't there.
fn fields(all: Vec<(&'static str, Option<Value>)>) -> Value {
    let present = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

/// Few, so that they are often the same.
fn name() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!("a")), Just(json!("b")), Just(json!("c")), "[a-z.]{1,9}".prop_map(Value::from)]
}

fn port() -> impl Strategy<Value = Value> {
    (1..=65535_u16).prop_map(Value::from)
}

fn subject() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![Just("ServiceAccount"), Just("IdentityBinding"), Just("SPIFFEIdentity")];
    let group = option::of(Just("access.smi-spec.io".into()));
    (kind, group, name(), option::of(name()), option::of(port())).prop_map(|(kind, group, name, namespace, port)| {
        let kind = Some(kind.into());
        fields(vec![("kind", kind), ("group", group), ("name", Some(name)), ("namespace", namespace), ("port", port)])
    })
}

fn target(version: &'static str) -> impl Strategy<Value = Value> {
    let kind = prop_oneof![Just("HTTPRouteGroup"), Just("TCPRoute"), Just("UDPRoute")];
    let rule = (kind, name(), option::of(vec(name(), 0..3))).prop_map(|(kind, name, matches)| {
        fields(vec![("kind", Some(kind.into())), ("name", Some(name)), ("matches", matches.map(Value::from))])
    });
    let (rules, sources) = (option::of(vec(rule, 0..4)), option::of(vec(subject(), 0..5)));
    (subject(), rules, sources).prop_map(move |(destination, rules, sources)| {
        let rules_name = if version == "v1alpha1" { "specs" } else { "rules" };
        let all = fields(vec![
            ("destination", Some(destination)),
            (rules_name, rules.map(Value::from)),
            ("sources", sources.map(Value::from)),
        ]);
        let all = if version == "v1alpha1" { all } else { json!({"spec": all}) };
        object("access", version, "TrafficTarget", all)
    })
}

fn quantity() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..5_000_000_u64).prop_map(Value::from),
        (0..5_000_000_u64).prop_map(|n| n.to_string().into()),
        (0..5_000_000_u64).prop_map(|n| format!("{n}m").into()),
        r"[0-9]{1,4}(\.[0-9]{0,5})?(n|u|m|k|M|Ki|Mi|e[0-3]|E-[0-9])?".prop_map(Value::from),
    ]
}

fn split(version: &'static str) -> impl Strategy<Value = Value> {
    let whole = prop_oneof![Just(0_u64), Just(1000), 0..=u64::from(u32::MAX)].prop_map(Value::from);
    let weight = if version == "v1alpha1" { quantity().boxed() } else { whole.boxed() };
    let backend = (name(), weight).prop_map(|(service, weight)| json!({"service": service, "weight": weight}));
    let group = (option::of(name()), name()).prop_map(|(group, name)| {
        fields(vec![("apiGroup", group), ("kind", Some("HTTPRouteGroup".into())), ("name", Some(name))])
    });
    let matches = prop_oneof![Just(None), Just(Some(Value::Null)), vec(group, 0..3).prop_map(|m| Some(Value::from(m)))];
    (name(), vec(backend, 0..5), matches).prop_map(move |(service, backends, matches)| {
        let matches = matches.filter(|_| version >= "v1alpha3");
        let spec = fields(vec![("service", Some(service)), ("backends", Some(backends.into())), ("matches", matches)]);
        object("split", version, "TrafficSplit", json!({"spec": spec}))
    })
}

fn group(version: &'static str) -> impl Strategy<Value = Value> {
    let map = || prop::collection::btree_map("[a-z-]{1,4}", ".{0,5}", 0..3).prop_map(|map| json!(map));
    let headers = prop_oneof![
        Just(None),
        map().prop_map(Some),
        vec(map(), 0..3).prop_map(|list| Some(list.into())),
        Just(Some(Value::Null))
    ];
    let method = prop_oneof![Just("*"), Just("GET"), Just("POST")].prop_map(Value::from);
    let entry = (option::of(name()), option::of(name()), option::of(vec(method, 0..3)), headers);
    let entry = entry.prop_map(move |(name, path, methods, headers)| {
        let headers = headers.filter(|_| version != "v1alpha1");
        fields(vec![("name", name), ("pathRegex", path), ("methods", methods.map(Value::from)), ("headers", headers)])
    });
    option::of(vec(entry, 0..5)).prop_map(move |matches| {
        let all = fields(vec![("matches", matches.map(Value::from))]);
        let all = if version <= "v1alpha2" { all } else { json!({"spec": all}) };
        object("specs", version, "HTTPRouteGroup", all)
    })
}

fn tcp_route(version: &'static str) -> impl Strategy<Value = Value> {
    let ports = prop_oneof![Just(None), Just(Some(Value::Null)), vec(port(), 0..4).prop_map(|p| Some(Value::from(p)))];
    let matches = (option::of(name()), ports).prop_map(|(name, ports)| fields(vec![("name", name), ("ports", ports)]));
    option::of(matches).prop_map(move |matches| {
        let fields = match version {
            "v1alpha1" | "v1alpha2" => json!({}),
            "v1alpha3" => json!({"spec": {}}),
            _ => json!({"spec": fields(vec![("matches", matches)])}),
        };
        object("specs", version, "TCPRoute", fields)
    })
}

/// Of any kind, with other annotations or without.
pub(super) fn objects(version: &'static str) -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![target(version), split(version), group(version), tcp_route(version)];
    (kinds, proptest::bool::ANY, proptest::bool::ANY).prop_map(|(mut object, annotated, status)| {
        if annotated {
            object["metadata"]["annotations"] = json!({"other": "kept"});
        }
        if status {
            object["status"] = json!({"observedGeneration": 3});
        }
        object
    })
}
