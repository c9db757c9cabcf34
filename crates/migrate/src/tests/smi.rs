use serde_json::json;

use super::*;

const SPLIT_1: &str = "
apiVersion: split.smi-spec.io/v1alpha1
kind: TrafficSplit
metadata: {name: web, namespace: shop, uid: x, resourceVersion: '7', annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}}
spec: {service: web-svc, backends: [{service: web-svc, weight: 500m}, {service: v2, weight: 0m}]}";

#[test]
fn a_split_of_the_first_version_keeps_its_shares() {
    let split = whole(From::Auto, SPLIT_1);
    assert_eq!(split["apiVersion"], "split.smi-spec.io/v1alpha4");
    assert_eq!(split["metadata"], json!({"name": "web", "namespace": "shop"}));
    let backends = json!([{"service": "web-svc", "weight": 500}, {"service": "v2", "weight": 0}]);
    assert_eq!(split["spec"], json!({"service": "web-svc", "backends": backends}));
}

#[test]
fn a_root_may_be_a_full_name_of_the_splits_own_namespace_alone() {
    let split = |root: &str| {
        format!(
            "{{apiVersion: split.smi-spec.io/v1alpha2, kind: TrafficSplit, metadata: {{name: s, namespace: shop}}, \
             spec: {{service: {root}, backends: [{{service: a, weight: 1}}]}}}}"
        )
    };
    for root in ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"] {
        assert_eq!(whole(From::Osm, &split(root))["spec"]["service"], root);
    }
    assert_eq!(translated(From::Osm, &split("web.bank.svc")), (vec![], vec!["Object spec.service".to_owned()]));
}

#[test]
fn what_a_split_cannot_say_isnt_printed() {
    for (spec, field) in [
        ("{service: a, backends: [{service: b, weight: -1}]}", "spec.backends[0].weight"),
        ("{service: a, backends: [{service: b}]}", "spec.backends[0].weight"),
        ("{service: a, backends: [{service: b, weight: 1, matches: [x]}]}", "spec.backends[0].matches"),
        ("{service: a, backends: [{service: b, weight: 1}], new: 1}", "spec.new"),
        ("{backends: [{service: b, weight: 1}]}", "spec.service"),
        ("{service: a, backends: 7}", "spec.backends"),
        ("{service: a, backends: [], matches: [{kind: TCPRoute, name: x}]}", "spec.matches[0].kind"),
    ] {
        let yaml = format!(
            "{{apiVersion: split.smi-spec.io/v1alpha3, kind: TrafficSplit, metadata: {{name: s}}, spec: {spec}}}"
        );
        assert_eq!(translated(From::Smi, &yaml), (vec![], vec![format!("Object {field}")]), "{spec}");
    }
}

fn group(from: From, version: &str, entry: &str) -> (Vec<Value>, Vec<String>) {
    let matches = format!("matches: [{{name: m, {entry}}}]");
    let body = if version < "v1alpha3" { matches } else { format!("spec: {{{matches}}}") };
    translated(
        from,
        &format!("{{apiVersion: specs.smi-spec.io/{version}, kind: HTTPRouteGroup, metadata: {{name: g}}, {body}}}"),
    )
}

#[test]
fn expressions_mean_what_they_have_meant() {
    for (from, version, written, meant) in [
        (From::Smi, "v1alpha1", "/api", json!("/api")),
        (From::TraefikMesh, "v1alpha3", "/api", json!("/api")),
        (From::TraefikMesh, "v1alpha3", "api", json!("/(?:api)")),
        (From::TraefikMesh, "v1alpha3", "/a|/b", json!("/(?:a|/b)")),
        (From::TraefikMesh, "v1alpha3", "^/a", json!("/(?:^/a)")),
        (From::TraefikMesh, "v1alpha3", "''", json!(null)),
        (From::Osm, "v1alpha4", "/books", json!("/books")),
        (From::Osm, "v1alpha4", "''", json!(null)),
    ] {
        let (objects, left) = group(from, version, &format!("pathRegex: {written}"));
        assert_eq!((&objects[0]["spec"]["matches"][0]["pathRegex"], left), (&meant, vec![]), "{written}");
        let full = objects[0].pointer("/metadata/annotations/isthmus.mesh~1regex-match");
        assert_eq!(full.is_some(), from == From::Osm, "{written}");
    }
}

#[test]
fn methods_and_headers() {
    let entry = |entry| {
        let (objects, left) = group(From::Smi, "v1alpha4", entry);
        (objects[0]["spec"]["matches"].clone(), left)
    };
    let named = |rest: Value| {
        let mut value = json!({"name": "m"});
        value.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!([value])
    };
    for written in ["headers: {a: x, b: z}", "headers: [{a: x}, {b: z}]", "headers: [{a: x, b: z}]"] {
        assert_eq!(entry(written), (named(json!({"headers": {"a": "x", "b": "z"}})), vec![]));
    }
    let twice = json!({"headers": [{"a": "x"}, {"a": "z"}]});
    assert_eq!(entry("headers: [{a: x}, {a: z}]"), (named(twice), vec![]));
    assert_eq!(entry("methods: ['*']"), (named(json!({"methods": ["*"]})), vec![]));
    assert_eq!(entry("methods: []"), (named(json!({})), vec![]));
    let part = |field: &str| vec![format!("Part spec.matches[0].{field}")];
    assert_eq!(entry("methods: [GET, get]"), (named(json!({"methods": ["GET"]})), part("methods")));
    // Were its one method dropped, the match would be of all methods.
    assert_eq!(entry("methods: [get]"), (json!([]), part("methods")));
    assert_eq!(entry("headers: {a: 1}"), (json!([]), part("headers")));
    assert_eq!(entry("pathRegex: '(['"), (json!([]), part("pathRegex")));
    assert_eq!(entry("pathRegex: 'a)|(b'"), (json!([]), part("pathRegex")));
    assert_eq!(entry("query: x"), (json!([]), part("query")));
}

#[test]
fn routes_of_ports() {
    let route = |kind: &str, version: &str, rest: &str| {
        translated(
            From::Smi,
            &format!("{{apiVersion: specs.smi-spec.io/{version}, kind: {kind}, metadata: {{name: r}}{rest}}}"),
        )
    };
    for (version, rest) in [("v1alpha1", ""), ("v1alpha3", ", spec: {}")] {
        let (objects, left) = route("TCPRoute", version, rest);
        assert_eq!((&objects[0]["spec"], left), (&json!({"matches": {}}), vec![]));
    }
    let (objects, left) = route("TCPRoute", "v1alpha4", ", spec: {matches: {ports: [80, 8301]}}");
    assert_eq!((&objects[0]["spec"], left), (&json!({"matches": {"ports": [80, 8301]}}), vec![]));
    // Without the wrong port the list would be empty, and open all.
    let left = vec!["Object spec.matches.ports".to_owned()];
    assert_eq!(route("TCPRoute", "v1alpha4", ", spec: {matches: {ports: [0]}}"), (vec![], left));
    assert_eq!(route("UDPRoute", "v1alpha4", ", spec: {matches: {ports: [53]}}").1, ["Part spec"]);
    assert_eq!(route("TCPRoute", "v1alpha5", "").1, ["Object apiVersion"]);
}

fn target(version: &str, port: &str, rules: &str) -> String {
    let body = format!(
        "destination: {{kind: ServiceAccount, name: api{port}}}, sources: [{{kind: ServiceAccount, name: web, namespace: shop}}], {}: {rules}",
        if version == "v1alpha1" { "specs" } else { "rules" }
    );
    let body = if version == "v1alpha1" { body } else { format!("spec: {{{body}}}") };
    format!(
        "---\n{{apiVersion: access.smi-spec.io/{version}, kind: TrafficTarget, metadata: {{name: t, namespace: shop}}, {body}}}\n"
    )
}

const HTTP: &str = "[{kind: HTTPRouteGroup, name: g, matches: [m]}]";

#[test]
fn a_port_of_the_destination_becomes_a_route_that_narrows() {
    for version in ["v1alpha1", "v1alpha2"] {
        for (rules, kept) in [(HTTP, 1), ("[{kind: TCPRoute, name: all}]", 0)] {
            let (objects, left) = translated(From::Smi, &target(version, ", port: 8080", rules));
            assert_eq!(left, Vec::<String>::new());
            assert_eq!(objects[0]["spec"], json!({"matches": {"ports": [8080]}}));
            let rules = objects[1]["spec"]["rules"].as_array().unwrap();
            assert_eq!(rules.len(), kept + 1);
            assert_eq!(rules[kept], json!({"kind": "TCPRoute", "name": "t-port-8080"}));
        }
    }
    let (objects, left) = translated(From::Smi, &target("v1alpha4", ", port: 8080", HTTP));
    assert_eq!((objects.len(), left), (1, vec!["Part spec.destination.port".to_owned()]));
}

#[test]
fn a_target_is_printed_whole_or_not_at_all() {
    for (from, version, rules, field) in [
        (
            From::Osm,
            "v1alpha3",
            "[{kind: TCPRoute, name: r}, {kind: HTTPRouteGroup, name: g}]",
            "spec.rules[1].matches",
        ),
        (From::Osm, "v1alpha3", "[{kind: UDPRoute, name: r}]", "spec.rules[0].matches"),
        (From::Osm, "v1alpha3", "[{kind: TCPRoute, name: r}]", "spec.rules"),
        (From::TraefikMesh, "v1alpha2", "[{kind: TCPRoute, name: r}]", "spec.rules"),
        (From::Smi, "v1alpha3", "[{kind: Other, name: r}]", "spec.rules[0].kind"),
        (From::Smi, "v1alpha3", "[{kind: TCPRoute, name: r, ports: [1]}]", "spec.rules[0].ports"),
    ] {
        assert_eq!(translated(from, &target(version, "", rules)), (vec![], vec![format!("Object {field}")]), "{rules}");
    }
    let other = target("v1alpha3", ", namespace: bank", HTTP);
    assert_eq!(translated(From::Osm, &other), (vec![], vec!["Object spec.destination.namespace".to_owned()]));
}

#[test]
fn a_tcp_route_alone_is_translated_where_services_tell_that_its_ports_are_no_http() {
    let route = "---\n{apiVersion: specs.smi-spec.io/v1alpha4, kind: TCPRoute, metadata: {name: r, namespace: shop}, spec: {matches: {ports: [3306]}}}\n";
    let service = |name: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: db, namespace: shop}}, spec: {{ports: [{{name: {name}, port: 3306}}]}}}}\n"
        )
    };
    let target = target("v1alpha3", "", "[{kind: TCPRoute, name: r}]");
    let (objects, left) = translated(From::Osm, &format!("{target}{route}{}", service("tcp-mysql")));
    assert_eq!((objects.len(), left), (2, vec![]));
    // OSM reads a name's prefix with its dash, and serves nothing at all where it doesn't know the protocol.
    let says = |word: &str| service(&format!("db, appProtocol: {word}"));
    for service in [
        service("http"),
        service("tcp"),
        service("mysql-db"),
        says("https"),
        says("mysql"),
        says("http"),
        String::new(),
    ] {
        assert_eq!(translated(From::Osm, &format!("{target}{route}{service}")).1, ["Object spec.rules"], "{service}");
    }
    for service in [service("tcp-server-first-db"), says("TCP"), says("tcp-server-first")] {
        assert_eq!(translated(From::Osm, &format!("{target}{route}{service}")).0.len(), 2, "{service}");
    }
}

#[test]
fn sources_that_cannot_be_said_are_left_out() {
    let yaml = target("v1alpha3", "", HTTP).replace("name: web,", "name: web, group: x,");
    let (objects, left) = translated(From::Smi, &yaml);
    assert_eq!(
        (objects[0]["spec"]["sources"].clone(), left),
        (json!([]), vec!["Part spec.sources[0].group".to_owned()])
    );
    let yaml = target("v1alpha3", "", HTTP).replace("kind: ServiceAccount, name: web", "kind: Group, name: web");
    assert_eq!(translated(From::Smi, &yaml).1, ["Part spec.sources[0].kind"]);
}

#[test]
fn the_origin_is_found_by_marks_then_by_versions() {
    let reading = |yaml: &str| migrate(&read("f", yaml).unwrap(), From::Auto).map(|o| o.reading);
    let osm = target("v1alpha3", "", HTTP);
    let traefik = target("v1alpha2", "", HTTP);
    let marked =
        "---\n{apiVersion: v1, kind: Service, metadata: {name: s, annotations: {mesh.traefik.io/traffic-type: tcp}}}\n";
    assert_eq!(reading(&osm), Ok(Reading::Osm));
    assert_eq!(reading(&traefik), Ok(Reading::TraefikMesh));
    assert_eq!(reading(&format!("{osm}{marked}")), Ok(Reading::TraefikMesh));
    assert!(reading(&format!("{osm}{traefik}")).unwrap_err().to_string().contains("--from"));
    assert_eq!(reading(SPLIT_1), Ok(Reading::Smi));
}
