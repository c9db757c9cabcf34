use isthmus_core::{
    authorize::{Asked, Peer, authorize},
    deny::DenyCode,
    http_match::HttpRequest,
    inbound::PolicyMode,
};
use serde_json::{Value, json};

use crate::{
    fault::{Effect, Kind},
    index::{Facts, Index},
    testing::*,
};

/// `server` runs as `api`; `client` as `web`, at 10.42.0.20.
fn pods() -> Vec<Value> {
    let account = |name: &str| {
        let mut account = object("ServiceAccount", name, Value::Null);
        account.as_object_mut().unwrap().remove("spec");
        account
    };
    vec![pod("server", "api", "10.42.0.10"), pod("client", "web", "10.42.0.20"), account("api"), account("web")]
}

fn target(rules: Value) -> Value {
    let account = |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": "shop"});
    object("TrafficTarget", "t", json!({"destination": account("api"), "sources": [account("web")], "rules": rules}))
}

fn tcp(name: &str, ports: &[i64]) -> Value {
    object("TCPRoute", name, json!({"matches": {"ports": ports}}))
}

fn group(matches: Value) -> Value {
    object("HTTPRouteGroup", "g", json!({"matches": matches}))
}

fn metrics() -> Value {
    group(json!([{"name": "metrics", "pathRegex": "/metrics", "methods": ["GET"]},
                 {"name": "health", "pathRegex": "/health"}]))
}

fn with_objects(objects: impl IntoIterator<Item = Value>) -> Index {
    index_of(pods().into_iter().chain(objects))
}

fn asks(index: &Index, account: &str, port: u16, asked: Asked<'_>) -> Result<(), DenyCode> {
    let id = format!("spiffe://isthmus.local/ns/shop/sa/{account}").parse().unwrap();
    let peer = Peer { identity: Some(&id), addr: "10.42.0.20".parse().unwrap() };
    authorize(&policy(index, "server"), peer, port, asked).map(drop)
}

fn get(index: &Index, port: u16, path: &str) -> Result<(), DenyCode> {
    let headers = http::HeaderMap::new();
    asks(index, "web", port, Asked::Http(HttpRequest { method: "GET", path, authority: "api", headers: &headers }))
}

fn of_target(index: &Index) -> Vec<&'static str> {
    reasons(index, Kind::TrafficTarget, "t")
}

const ALL: [(&str, &str); 1] = [("TCPRoute", "all")];

fn rules(list: &[(&str, &str)]) -> Value {
    list.iter().map(|(kind, name)| json!({"kind": kind, "name": name})).collect()
}

#[test]
fn a5_without_a_target_nothing_is_granted_in_enforce() {
    let index = with_objects([]);
    assert_eq!(policy(&index, "server").mode, PolicyMode::Enforce);
    assert_eq!(get(&index, 80, "/"), Err(DenyCode::NoGrant));
}

#[test]
fn a5_the_mode_is_the_namespaces_and_splits_stay() {
    let namespace = |mode: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "annotations": {"isthmus.mesh/policy-mode": mode}}});
    for (text, mode) in
        [("permissive", PolicyMode::Permissive), ("audit", PolicyMode::Audit), ("nonsense", PolicyMode::Enforce)]
    {
        assert_eq!(policy(&with_objects([namespace(text)]), "server").mode, mode);
    }
    let split = object("TrafficSplit", "s", json!({"service": "a", "backends": [{"service": "a", "weight": 1}]}));
    let index = with_objects([namespace("permissive"), service("a", "10.43.0.1", &[80]), split]);
    assert!(route(&index, "a", 80).split.is_some());
}

#[test]
fn a4_vector_a_tcp_route_alone_allows_any_http_on_its_ports() {
    let index = with_objects([tcp("all", &[]), target(rules(&ALL))]);
    assert_eq!(get(&index, 9091, "/anything"), Ok(()));
    assert_eq!(asks(&index, "web", 1, Asked::Tcp), Ok(()));
    assert_eq!(asks(&index, "other", 1, Asked::Tcp), Err(DenyCode::NoGrant));
    assert!(of_target(&index).is_empty());
}

#[test]
fn a4_vector_a_tcp_route_and_a_group_restrict_each_other() {
    let mixed =
        json!([{"kind": "TCPRoute", "name": "port"}, {"kind": "HTTPRouteGroup", "name": "g", "matches": ["metrics"]}]);
    let index = with_objects([tcp("port", &[8080]), metrics(), target(mixed)]);
    assert_eq!(get(&index, 9090, "/metrics"), Err(DenyCode::Port));
    assert_eq!(get(&index, 8080, "/metrics"), Ok(()));
    assert_eq!(get(&index, 8080, "/x"), Err(DenyCode::Route));
    assert_eq!(get(&index, 8080, "/health"), Err(DenyCode::Route), "a match that isn't named");
    assert_eq!(asks(&index, "web", 8080, Asked::Tcp), Err(DenyCode::Route));
}

#[test]
fn a4_a_group_without_named_matches_is_all_of_them_on_every_port() {
    let index = with_objects([metrics(), target(rules(&[("HTTPRouteGroup", "g")]))]);
    assert_eq!((get(&index, 1, "/metrics"), get(&index, 2, "/health")), (Ok(()), Ok(())));
    assert_eq!(get(&index, 1, "/x"), Err(DenyCode::Route));
    let empty = json!([{"kind": "HTTPRouteGroup", "name": "g", "matches": []}]);
    assert_eq!(
        get(&with_objects([metrics(), target(empty)]), 1, "/health"),
        Ok(()),
        "as typed clients write an absent list"
    );
}

#[test]
fn vector_of_two_matches_with_a_header_each_one_is_enough() {
    let matches = json!([{"name": "one", "headers": {"x-a": "x"}}, {"name": "two", "headers": {"x-b": "y"}}]);
    let index = with_objects([group(matches), target(rules(&[("HTTPRouteGroup", "g")]))]);
    let with_header = |name: &'static str, value: &'static str| {
        let headers =
            http::HeaderMap::from_iter([(http::HeaderName::from_static(name), http::HeaderValue::from_static(value))]);
        let asked = HttpRequest { method: "GET", path: "/", authority: "api", headers: &headers };
        asks(&index, "web", 80, Asked::Http(asked))
    };
    assert_eq!((with_header("x-a", "x"), with_header("x-b", "y")), (Ok(()), Ok(())));
    assert_eq!(with_header("x-a", "y"), Err(DenyCode::Route));
}

#[test]
fn vector_tcp_and_udp_ports_are_apart() {
    let udp = object("UDPRoute", "u", json!({"matches": {"ports": [8301, 8302]}}));
    let both = rules(&[("TCPRoute", "t"), ("UDPRoute", "u")]);
    let index = with_objects([tcp("t", &[8300, 8301, 8302]), udp, target(both)]);
    assert_eq!(asks(&index, "web", 8300, Asked::Udp), Err(DenyCode::Port));
    assert_eq!(asks(&index, "web", 8301, Asked::Udp), Ok(()));
    assert_eq!(asks(&index, "web", 8300, Asked::Tcp), Ok(()));
    // No proxy asks yet, and whoever relies on it is told.
    for (kind, name) in [(Kind::UdpRoute, "u"), (Kind::TrafficTarget, "t")] {
        let faults = faults(&index, kind, name);
        assert!(faults.iter().any(|f| f.reason.as_str() == "NotEnforced" && f.effect == Effect::Hint), "{name}");
    }
}

#[test]
fn a14_a_subject_without_a_namespace_is_in_the_targets() {
    let bare = |name: &str| json!({"kind": "ServiceAccount", "name": name});
    let spec = json!({"destination": bare("api"), "sources": [bare("web")], "rules": rules(&ALL)});
    let index = with_objects([tcp("all", &[]), object("TrafficTarget", "t", spec)]);
    assert_eq!((get(&index, 80, "/"), of_target(&index)), (Ok(()), vec![]));
}

#[test]
fn a15_a_target_outside_its_destinations_namespace_opens_nothing() {
    let foreign = with(target(rules(&ALL)), "/metadata/namespace", json!("evil"));
    let index = with_objects([tcp("all", &[]), with(tcp("all", &[]), "/metadata/namespace", json!("evil")), foreign]);
    assert_eq!(get(&index, 80, "/"), Err(DenyCode::NoGrant));
    let other = with(target(rules(&ALL)), "/spec/destination/namespace", json!("other"));
    let faults = faults(&with_objects([other]), Kind::TrafficTarget, "t");
    assert!(faults.iter().any(|f| f.reason.as_str() == "NamespaceMismatch" && f.effect == Effect::Excluded));
}

#[test]
fn a16_an_unknown_route_drops_only_its_rule_and_is_taken_up_when_it_appears() {
    let two = rules(&[("TCPRoute", "here"), ("TCPRoute", "gone")]);
    let mut index = with_objects([tcp("here", &[80]), target(two)]);
    assert_eq!((get(&index, 80, "/"), get(&index, 81, "/")), (Ok(()), Err(DenyCode::Port)));
    assert_eq!(of_target(&index), ["RouteNotFound"]);
    index.update(applied(tcp("gone", &[81])), &mut Facts::new());
    assert_eq!((get(&index, 81, "/"), of_target(&index)), (Ok(()), vec![]));
}

#[test]
fn a16_an_unknown_match_name_grants_nothing() {
    let named = json!([{"kind": "HTTPRouteGroup", "name": "g", "matches": ["nope"]}]);
    let index = with_objects([metrics(), target(named)]);
    assert_eq!((get(&index, 80, "/metrics"), of_target(&index)), (Err(DenyCode::Route), vec!["MatchNotFound"]));
}

#[test]
fn a16_a_rule_that_is_dropped_never_widens_the_others() {
    let mixed = rules(&[("TCPRoute", "gone"), ("HTTPRouteGroup", "g")]);
    let index = with_objects([metrics(), target(mixed)]);
    assert!(get(&index, 80, "/metrics").is_err(), "the ports aren't known, so none is granted");
    let mixed = rules(&[("TCPRoute", "all"), ("HTTPRouteGroup", "gone")]);
    let index = with_objects([tcp("all", &[]), target(mixed)]);
    assert_eq!(get(&index, 80, "/"), Err(DenyCode::Route), "the requests aren't known, so none is granted");
    assert!(asks(&index, "web", 80, Asked::Tcp).is_err());
    let unknown = rules(&[("TCPRoute", "all"), ("GRPCRoute", "x")]);
    let index = with_objects([tcp("all", &[]), target(unknown)]);
    assert!(get(&index, 80, "/").is_err());
    assert_eq!(of_target(&index), ["UnsupportedKind"]);
}

#[test]
fn a17_no_rules_or_no_sources_grant_nothing() {
    let index = with_objects([target(json!([]))]);
    assert_eq!((get(&index, 80, "/"), of_target(&index)), (Err(DenyCode::NoGrant), vec!["NothingGranted"]));
    let nobody = with(target(rules(&ALL)), "/spec/sources", json!([]));
    let index = with_objects([tcp("all", &[]), nobody]);
    assert_eq!((get(&index, 80, "/"), of_target(&index)), (Err(DenyCode::NoGrant), vec!["NothingGranted"]));
}

#[test]
fn a18_two_matches_of_one_name_are_both_meant() {
    let twice = group(json!([{"name": "m", "pathRegex": "/a"}, {"name": "m", "pathRegex": "/b"}]));
    let index = with_objects([twice, target(json!([{"kind": "HTTPRouteGroup", "name": "g", "matches": ["m"]}]))]);
    assert_eq!((get(&index, 80, "/a"), get(&index, 80, "/b")), (Ok(()), Ok(())));
    let faults = faults(&index, Kind::HttpRouteGroup, "g");
    assert_eq!((faults[0].reason.as_str(), faults[0].effect), ("DuplicateMatch", Effect::Hint));
}

#[test]
fn a19_targets_add_up() {
    let second = with(
        with(target(rules(&[("TCPRoute", "all")])), "/metadata/name", json!("u")),
        "/spec/rules/0/name",
        json!("other"),
    );
    let index = with_objects([tcp("all", &[80]), tcp("other", &[81]), target(rules(&ALL)), second]);
    assert_eq!((get(&index, 80, "/"), get(&index, 81, "/")), (Ok(()), Ok(())));
    assert_eq!(policy(&index, "server").grants.len(), 2);
}

#[test]
fn a22_ports_are_those_of_the_container() {
    let index = with_objects([
        service("api", "10.43.0.5", &[80]),
        slice("api", &[("p80", 8080)], &[("server", "10.42.0.10")]),
        tcp("all", &[8080]),
        target(rules(&ALL)),
    ]);
    assert_eq!((get(&index, 8080, "/"), get(&index, 80, "/")), (Ok(()), Err(DenyCode::Port)));
}

#[test]
fn a22_ports_that_are_none_grant_none_and_never_all() {
    let index = with_objects([tcp("all", &[0, 70000]), target(rules(&ALL))]);
    assert!(get(&index, 80, "/").is_err());
    assert_eq!(reasons(&index, Kind::TcpRoute, "all"), ["InvalidPort", "InvalidPort"]);
}

#[test]
fn a30_other_kinds_of_subject_grant_nothing() {
    let group = with(target(rules(&ALL)), "/spec/sources/0/kind", json!("Group"));
    let index = with_objects([tcp("all", &[]), group]);
    assert_eq!((get(&index, 80, "/"), of_target(&index)), (Err(DenyCode::NoGrant), vec!["UnsupportedKind"]));
}

#[test]
fn a32_an_invalid_expression_grants_nothing_beside_one_that_is_valid() {
    let bad = group(json!([{"name": "bad", "pathRegex": "/(["}, {"name": "good", "pathRegex": "/good"}]));
    let index = with_objects([bad, target(rules(&[("HTTPRouteGroup", "g")]))]);
    assert_eq!((get(&index, 80, "/good"), get(&index, 80, "/([")), (Ok(()), Err(DenyCode::Route)));
    assert_eq!(reasons(&index, Kind::HttpRouteGroup, "g"), ["InvalidRegex"]);
}

#[test]
fn a1_a_group_may_ask_for_whole_matches() {
    let strict = with(metrics(), "/metadata/annotations", json!({"isthmus.mesh/regex-match": "full"}));
    let rule = rules(&[("HTTPRouteGroup", "g")]);
    assert_eq!(get(&with_objects([metrics(), target(rule.clone())]), 80, "/metrics-admin"), Ok(()));
    let index = with_objects([strict, target(rule)]);
    assert_eq!((get(&index, 80, "/metrics-admin"), get(&index, 80, "/metrics")), (Err(DenyCode::Route), Ok(())));
}

#[test]
fn a1_a_slip_of_the_pen_does_not_widen_a_group() {
    let slip = with(metrics(), "/metadata/annotations", json!({"isthmus.mesh/regex-match": "ful"}));
    let index = with_objects([slip, target(rules(&[("HTTPRouteGroup", "g")]))]);
    assert_eq!((get(&index, 80, "/metrics-admin"), get(&index, 80, "/metrics")), (Err(DenyCode::Route), Ok(())));
    assert_eq!(reasons(&index, Kind::HttpRouteGroup, "g"), ["InvalidMatch"]);
}

#[test]
fn a3_both_forms_of_headers_compile_alike() {
    let compiled = |headers: Value| {
        let index = with_objects([
            group(json!([{"name": "m", "headers": headers}])),
            target(rules(&[("HTTPRouteGroup", "g")])),
        ]);
        policy(&index, "server")
    };
    assert_eq!(compiled(json!([{"a": "x"}, {"b": "y"}])), compiled(json!({"a": "x", "b": "y"})));
    assert_eq!(compiled(json!([{"a": "x", "b": "y"}])), compiled(json!({"a": "x", "b": "y"})));
    let index = with_objects([group(json!([{"name": "m", "headers": "a: x"}]))]);
    assert_eq!(reasons(&index, Kind::HttpRouteGroup, "g"), ["InvalidMatch"]);
}

#[test]
fn vector_v1alpha3_destination_port_is_ignored_with_an_event() {
    let mut old = with(target(rules(&ALL)), "/spec/destination/port", json!(8080));
    old["apiVersion"] = json!("access.smi-spec.io/v1alpha3");
    let index = with_objects([tcp("all", &[]), old]);
    assert_eq!(get(&index, 9999, "/"), Ok(()));
    let faults = faults(&index, Kind::TrafficTarget, "t");
    assert_eq!((faults[0].reason.as_str(), faults[0].effect), ("PortIgnored", Effect::Hint));
}

#[test]
fn a_port_of_the_first_versions_narrows_what_the_rules_open() {
    let limited = |routes: &[(&str, &str)], parked: &str| {
        let target = target(rules(routes));
        let index = with_objects([
            tcp("all", &[]),
            tcp("other", &[9090]),
            metrics(),
            with(target, "/metadata/annotations", json!({"isthmus.mesh/parked": parked})),
        ]);
        let reasons = reasons(&index, Kind::TrafficTarget, "t");
        ([8080, 9090].map(|port| get(&index, port, "/metrics").is_ok()), reasons)
    };
    let port = r#"{"ports": {"destination": 8080}}"#;
    assert_eq!(limited(&ALL, port), ([true, false], vec![]));
    assert_eq!(limited(&[("HTTPRouteGroup", "g")], port), ([true, false], vec![]));
    assert_eq!(limited(&[("TCPRoute", "other")], port), ([false, false], vec![]));
    assert_eq!(limited(&ALL, "{}"), ([true, true], vec![]));
    assert_eq!(limited(&ALL, "8080"), ([false, false], vec!["InvalidParked"]));
}

fn binding(schemes: Value) -> Value {
    object("IdentityBinding", "b", json!({"schemes": schemes}))
}

fn from_binding() -> Value {
    with(target(rules(&ALL)), "/spec/sources/0", json!({"kind": "IdentityBinding", "name": "b"}))
}

fn by_source(schemes: Value) -> Index {
    let labelled = with(pod("client", "web", "10.42.0.20"), "/metadata/labels", json!({"app": "web"}));
    with_objects([labelled, tcp("all", &[]), binding(schemes), from_binding()])
}

#[test]
fn a30_a_binding_names_sources_by_account() {
    assert_eq!(get(&by_source(json!({"serviceAccount": "web"})), 80, "/"), Ok(()));
    assert_eq!(get(&by_source(json!({"serviceAccount": "api"})), 80, "/"), Err(DenyCode::NoGrant));
}

#[test]
fn a25_a_split_grants_nothing_and_each_backend_is_asked_for_itself() {
    let split = object("TrafficSplit", "s", json!({"service": "api", "backends": [{"service": "green", "weight": 1}]}));
    let index = with_objects([
        pod("green", "green", "10.42.0.11"),
        service("api", "10.43.0.5", &[80]),
        service("green", "10.43.0.6", &[80]),
        split,
        tcp("all", &[]),
        target(rules(&ALL)),
    ]);
    assert_eq!(get(&index, 80, "/"), Ok(()), "the root's pods are opened");
    assert!(policy(&index, "green").grants.is_empty(), "the backend's are not");
}

#[test]
fn a28_a_binding_names_sources_by_spiffe_id_with_or_without_scheme() {
    for id in ["spiffe://isthmus.local/ns/shop/sa/web", "isthmus.local/ns/shop/sa/web"] {
        assert_eq!(get(&by_source(json!({"spiffeIdentities": [id]})), 80, "/"), Ok(()));
    }
    let bad = by_source(json!({"spiffeIdentities": ["spiffe://"]}));
    assert_eq!(get(&bad, 80, "/"), Err(DenyCode::NoGrant));
    assert_eq!(reasons(&bad, Kind::IdentityBinding, "b"), ["InvalidSpiffeId"]);
}

#[test]
fn a_binding_names_sources_by_label_which_takes_identity_and_address() {
    let index = by_source(json!({"podLabelSelector": {"matchLabels": {"app": "web"}}}));
    assert_eq!(get(&index, 80, "/"), Ok(()));
    let id = "spiffe://isthmus.local/ns/shop/sa/web".parse().unwrap();
    let elsewhere = Peer { identity: Some(&id), addr: "10.42.0.99".parse().unwrap() };
    assert!(authorize(&policy(&index, "server"), elsewhere, 80, Asked::Tcp).is_err());
    let other = by_source(json!({"podLabelSelector": {"matchLabels": {"app": "web", "tier": "x"}}}));
    assert_eq!(get(&other, 80, "/"), Err(DenyCode::NoGrant));
}

#[test]
fn a_binding_with_label_and_account_together_names_nobody() {
    let index = by_source(json!({"serviceAccount": "web", "podLabelSelector": {"matchLabels": {"app": "web"}}}));
    assert_eq!(get(&index, 80, "/"), Err(DenyCode::NoGrant));
    assert_eq!(reasons(&index, Kind::IdentityBinding, "b"), ["InvalidBinding"]);
}

#[test]
fn a_binding_selects_destinations_by_account_and_by_label() {
    let to_binding = with(target(rules(&ALL)), "/spec/destination", json!({"kind": "IdentityBinding", "name": "b"}));
    let labelled = with(pod("server", "api", "10.42.0.10"), "/metadata/labels", json!({"app": "api"}));
    for schemes in [json!({"serviceAccount": "api"}), json!({"podLabelSelector": {"matchLabels": {"app": "api"}}})] {
        let index = with_objects([labelled.clone(), tcp("all", &[]), binding(schemes), to_binding.clone()]);
        assert_eq!(get(&index, 80, "/"), Ok(()));
        assert!(policy(&index, "client").grants.is_empty());
    }
    let index = with_objects([tcp("all", &[]), to_binding]);
    assert_eq!((get(&index, 80, "/"), of_target(&index)), (Err(DenyCode::NoGrant), vec!["IdentityNotFound"]));
}

#[test]
fn a_subject_that_does_not_exist_yet_is_told_and_may_be_granted_beforehand() {
    let early = with(target(rules(&ALL)), "/spec/sources/0/name", json!("later"));
    let index = with_objects([tcp("all", &[]), early]);
    assert_eq!((asks(&index, "later", 80, Asked::Tcp), of_target(&index)), (Ok(()), vec!["IdentityNotFound"]));
}

#[test]
fn a_malformed_target_changes_nothing_for_the_good_ones() {
    let bad = with(with(target(rules(&ALL)), "/metadata/name", json!("bad")), "/spec/destination", json!(7));
    let index = with_objects([tcp("all", &[]), bad, target(rules(&ALL))]);
    assert_eq!((get(&index, 80, "/"), of_target(&index)), (Ok(()), vec![]));
    assert_eq!(reasons(&index, Kind::TrafficTarget, "bad"), ["Malformed"]);
}

#[test]
fn probes_nodes_and_annotations_are_exempted() {
    let container = json!([{
        "name": "app", "image": "x", "ports": [{"name": "web", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready?full=1", "port": "web"}},
        "livenessProbe": {"tcpSocket": {"port": 9000}},
        "startupProbe": {"httpGet": {"path": "/s", "port": 8443, "scheme": "HTTPS"}}
    }]);
    let pod = with(pod("server", "api", "10.42.0.10"), "/spec/containers", container);
    let annotations =
        json!({"isthmus.mesh/plaintext-ports": "9102, 9103", "isthmus.mesh/plaintext-sources": "10.0.0.0/24"});
    let exempt = policy(&with_objects([with(pod, "/metadata/annotations", annotations)]), "server").exempt;
    assert_eq!(exempt.probes, [(8080, Some("/ready".into())), (8443, None), (9000, None)]);
    assert_eq!(exempt.node, ["10.42.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(exempt.ports.into_iter().collect::<Vec<_>>(), [9102, 9103]);
    assert_eq!(exempt.sources, ["10.0.0.0/24".parse().unwrap()]);
}

#[test]
fn an_annotation_that_cannot_be_read_opens_nothing() {
    let annotations =
        json!({"isthmus.mesh/plaintext-ports": "9102,all", "isthmus.mesh/plaintext-sources": "10.0.0.1,any"});
    let index = with_objects([with(pod("server", "api", "10.42.0.10"), "/metadata/annotations", annotations)]);
    let exempt = policy(&index, "server").exempt;
    assert!(exempt.ports.is_empty() && exempt.sources.is_empty());
}
