use serde_json::json;

use super::*;
use crate::export::{Exported, Options, gateway_api};

fn exported(yaml: &str, options: Options) -> Exported {
    gateway_api(&read("f", yaml).unwrap(), options)
}

fn split(rest: &str) -> String {
    format!(
        "---\n{{apiVersion: split.smi-spec.io/v1alpha4, kind: TrafficSplit, metadata: {{name: s, namespace: shop}}, spec: {{service: web, {rest}}}}}\n"
    )
}

fn service(name: &str, ports: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop}}, spec: {{ports: [{ports}]}}}}\n"
    )
}

fn group(entry: &str) -> String {
    format!(
        "---\n{{apiVersion: specs.smi-spec.io/v1alpha4, kind: HTTPRouteGroup, metadata: {{name: g, namespace: shop}}, spec: {{matches: [{{name: m, {entry}}}]}}}}\n"
    )
}

fn weights(exported: &Exported) -> Vec<(String, u64)> {
    let list = exported.outcome.objects[0].pointer("/spec/rules/0/backendRefs").unwrap().as_array().unwrap();
    list.iter().map(|b| (b["name"].as_str().unwrap().to_owned(), b["weight"].as_u64().unwrap())).collect()
}

const TWO: &str = "backends: [{service: v1, weight: 9}, {service: v2, weight: 1}]";

#[test]
fn a_split_is_a_route_for_each_http_port() {
    let all = service("web", "{name: http, port: 80}, {name: api, port: 81}, {name: tcp-db, port: 82}")
        + &service("v1", "{port: 80}, {port: 81}")
        + &service("v2", "{port: 80}");
    let exported = exported(&(split(TWO) + &all), Options::default());
    let names: Vec<&Value> = exported.outcome.objects.iter().map(|o| &o["metadata"]["name"]).collect();
    assert_eq!(names, ["s-80", "s-81"]);
    assert_eq!(weights(&exported), [("v1".to_owned(), 9), ("v2".to_owned(), 1)]);
    let parent = json!([{"group": "", "kind": "Service", "name": "web", "port": 80}]);
    assert_eq!(exported.outcome.objects[0]["spec"]["parentRefs"], parent);
    // v2 lacks port 81, and tcp-db has no route.
    assert_eq!(exported.outcome.objects[1]["spec"]["rules"][0]["backendRefs"].as_array().unwrap().len(), 1);
    assert_eq!(exported.outcome.findings.iter().filter(|f| f.left_out == Extent::Part).count(), 1);
}

#[test]
fn what_differs_is_written_out() {
    let port = Options { port: Some(80), ..Options::default() };
    let zero = exported(&split("backends: [{service: v1, weight: 0}]"), port);
    assert_eq!(weights(&zero), [("web".to_owned(), 1)]);
    let great = exported(&split("backends: [{service: v1, weight: 4000000000}, {service: v2, weight: 1}]"), port);
    assert_eq!(weights(&great), [("v1".to_owned(), 1_000_000), ("v2".to_owned(), 1)]);
    let missing = exported(
        &(split(TWO) + &service("web", "{port: 80}") + &service("v2", "{port: 80}")),
        Options { all_services: true, ..Options::default() },
    );
    assert_eq!(weights(&missing), [("v2".to_owned(), 1)]);
    assert!(missing.caveats[0][0].contains("there is no Service v1"));
    let unknown = exported(&split(TWO), Options::default());
    assert_eq!((unknown.outcome.objects.len(), unknown.outcome.is_whole()), (0, false));
}

#[test]
fn matches_are_written_for_those_who_match_the_whole() {
    let refer = format!("{TWO}, matches: [{{kind: HTTPRouteGroup, name: g}}]");
    let rules = |entry: &str| {
        let port = Options { port: Some(80), ..Options::default() };
        exported(&(split(&refer) + &group(entry)), port).outcome.objects[0]["spec"]["rules"].clone()
    };
    for (entry, expected) in [
        ("pathRegex: /metrics", json!([{"path": {"type": "RegularExpression", "value": "/metrics.*"}}])),
        ("pathRegex: /metrics$", json!([{"path": {"type": "Exact", "value": "/metrics"}}])),
        ("pathRegex: /a|/b", json!([{"path": {"type": "RegularExpression", "value": "(?:/a|/b).*"}}])),
        ("pathRegex: /", json!([{"path": {"type": "PathPrefix", "value": "/"}}])),
        ("methods: [GET, PUT]", json!([{"method": "GET"}, {"method": "PUT"}])),
        ("headers: {a: '^b$'}", json!([{"headers": [{"name": "a", "type": "Exact", "value": "b"}]}])),
        ("headers: {a: b}", json!([{"headers": [{"name": "a", "type": "RegularExpression", "value": ".*b.*"}]}])),
        (
            "headers: {a: '^b|c$'}",
            json!([{"headers": [{"name": "a", "type": "RegularExpression", "value": ".*(?:^b|c$).*"}]}]),
        ),
    ] {
        let rules = rules(entry);
        assert_eq!(rules[0]["matches"], expected, "{entry}");
        // What nothing matches goes to the root.
        let root = json!({"backendRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80, "weight": 1}]});
        assert_eq!(rules[1], root);
    }
}

#[test]
fn what_has_no_counterpart_is_told() {
    let yaml = "---\n{apiVersion: access.smi-spec.io/v1alpha4, kind: TrafficTarget, metadata: {name: t}, spec: {destination: {kind: ServiceAccount, name: a}, rules: [], sources: []}}\n".to_owned()
        + &group("pathRegex: /a");
    let exported = exported(&yaml, Options::default());
    let left = exported.outcome.findings.iter().filter(|f| f.left_out == Extent::Object);
    let left: Vec<&str> = left.map(|f| f.object.as_str()).collect();
    assert_eq!(left, ["TrafficTarget t", "HTTPRouteGroup shop/g"]);
}

#[test]
fn what_was_exported_is_read_back_as_the_same_split() {
    let yaml = split(&format!("{TWO}, matches: [{{kind: HTTPRouteGroup, name: g}}]"))
        + &group("pathRegex: /a$, methods: [GET], headers: {x: '^y$'}")
        + &service("web", "{port: 80}");
    let routes = exported(&yaml, Options::default()).outcome.objects;
    let documents: Vec<Document> = routes.into_iter().map(|value| Document { source: String::new(), value }).collect();
    let back = migrate(&documents, From::Auto).unwrap();
    assert_eq!(
        back.objects[1]["spec"]["backends"],
        json!([{"service": "v1", "weight": 9}, {"service": "v2", "weight": 1}])
    );
    let expected = json!([{"name": "match-1", "pathRegex": "/a$", "methods": ["GET"], "headers": {"x": "^y$"}}]);
    assert_eq!(back.objects[0]["spec"]["matches"], expected);
}

/// The rule that leads the rest to the root is given a match by the schema's default, which counts.
#[test]
fn a_route_has_room_for_127_matches_and_the_rest() {
    let services = service("web", "{port: 80}") + &service("v1", "{port: 80}") + &service("v2", "{port: 80}");
    let split = split(&format!("{TWO}, matches: [{{kind: HTTPRouteGroup, name: g}}]"));
    let tried = |count: usize| {
        let entries: Vec<String> = (0..count).map(|n| format!("{{name: m{n}, pathRegex: /{n}}}")).collect();
        let group = group("pathRegex: /").replace("{name: m, pathRegex: /}", &entries.join(", "));
        let exported = exported(&format!("{split}{group}{services}"), Options::default());
        let rules = exported.outcome.objects.first().and_then(|o| o.pointer("/spec/rules")?.as_array().cloned());
        rules.map(|rules| rules.iter().map(|r| r["matches"].as_array().map_or(1, Vec::len)).collect::<Vec<_>>())
    };
    assert_eq!(tried(127), Some(vec![64, 63, 1]));
    assert_eq!(tried(128), None);
}
