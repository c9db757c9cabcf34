//! What comes out admits no request that wasn't admitted where it comes from, and everything that went in is accounted for.

use std::collections::BTreeSet;

use isthmus_core::http_match::{HttpMatch, HttpMatchSpec, HttpRequest};
use proptest::prelude::*;
use regex::Regex;
use serde_json::json;

use super::*;

const PATHS: [&str; 7] = ["/a", "a", "/a|/b", "^/a", "", "/a$", "/a.*"];
const REQUESTS: [&str; 6] = ["/a", "/ab", "/b", "/a/c", "//b", "/"];
const METHODS: [&str; 3] = ["GET", "PUT", "get"];
const PORTS: [u16; 3] = [80, 81, 3306];

#[derive(Debug, Clone)]
struct Entry {
    path: Option<usize>,
    methods: Option<Vec<usize>>,
}

#[derive(Debug, Clone)]
enum Rule {
    /// Names of matches: 0 and 1 exist, 2 doesn't.
    Http(Option<Vec<usize>>),
    Tcp,
    Udp,
}

#[derive(Debug, Clone)]
struct Case {
    from: From,
    entries: Vec<Entry>,
    tcp: Vec<u16>,
    rules: Vec<Rule>,
    port: Option<u16>,
    service: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let from = prop_oneof![Just(From::Smi), Just(From::Osm), Just(From::TraefikMesh)];
    let entry = (prop::option::of(0..PATHS.len()), prop::option::of(prop::collection::vec(0..METHODS.len(), 0..3)));
    let entries = prop::collection::vec(entry.prop_map(|(path, methods)| Entry { path, methods }), 2);
    let rule = prop_oneof![
        3 => prop::option::of(prop::collection::vec(0..3usize, 0..3)).prop_map(Rule::Http),
        2 => Just(Rule::Tcp),
        1 => Just(Rule::Udp),
    ];
    let rules = prop::collection::vec(rule, 0..4);
    let ports = prop::sample::subsequence(PORTS.to_vec(), 0..=2);
    let port = prop::option::of(prop::sample::select(PORTS.to_vec()));
    (from, entries, ports, rules, port, any::<bool>()).prop_map(|(from, entries, tcp, rules, port, service)| Case {
        from,
        entries,
        tcp,
        rules,
        port,
        service,
    })
}

impl Case {
    /// OSM and Traefik Mesh have served one version each.
    fn versions(&self) -> (&'static str, &'static str) {
        match self.from {
            From::TraefikMesh => ("v1alpha2", "v1alpha3"),
            _ if self.port.is_some() => ("v1alpha2", "v1alpha4"),
            _ => ("v1alpha3", "v1alpha4"),
        }
    }

    fn tcp_ports(&self) -> &[u16] {
        if self.versions().1 == "v1alpha4" { &self.tcp } else { &[] }
    }

    fn objects(&self) -> Vec<Value> {
        let (access, specs) = self.versions();
        let entry = |(index, entry): (usize, &Entry)| {
            let mut value = json!({"name": format!("m{index}")});
            if let Some(path) = entry.path {
                value["pathRegex"] = PATHS[path].into();
            }
            if let Some(methods) = &entry.methods {
                value["methods"] = methods.iter().map(|m| METHODS[*m]).collect();
            }
            value
        };
        let rule = |rule: &Rule| match rule {
            Rule::Http(None) => json!({"kind": "HTTPRouteGroup", "name": "g"}),
            Rule::Http(Some(names)) => {
                let names: Vec<String> = names.iter().map(|name| format!("m{name}")).collect();
                json!({"kind": "HTTPRouteGroup", "name": "g", "matches": names})
            }
            Rule::Tcp => json!({"kind": "TCPRoute", "name": "r"}),
            Rule::Udp => json!({"kind": "UDPRoute", "name": "u"}),
        };
        let metadata = |name: &str| json!({"name": name, "namespace": "shop"});
        let mut destination = json!({"kind": "ServiceAccount", "name": "api"});
        if let Some(port) = self.port {
            destination["port"] = port.into();
        }
        let tcp = if specs == "v1alpha4" { json!({"matches": {"ports": self.tcp}}) } else { json!({}) };
        let specs = format!("specs.smi-spec.io/{specs}");
        let mut objects = vec![
            json!({"apiVersion": specs, "kind": "HTTPRouteGroup", "metadata": metadata("g"),
                   "spec": {"matches": self.entries.iter().enumerate().map(entry).collect::<Vec<_>>()}}),
            json!({"apiVersion": specs, "kind": "TCPRoute", "metadata": metadata("r"), "spec": tcp}),
            json!({"apiVersion": format!("access.smi-spec.io/{access}"), "kind": "TrafficTarget", "metadata": metadata("t"),
                   "spec": {"destination": destination, "sources": [{"kind": "ServiceAccount", "name": "web"}],
                            "rules": self.rules.iter().map(rule).collect::<Vec<_>>()}}),
        ];
        if self.service {
            let annotations = json!({"mesh.traefik.io/traffic-type": "tcp"});
            let ports = json!([{"name": "tcp-db", "port": 3306}]);
            objects.push(json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": ports},
                                "metadata": {"name": "db", "namespace": "shop", "annotations": annotations}}));
        }
        objects
    }

    /// Where it comes from: is the request admitted? Written from what is known of those meshes, not from this crate.
    fn admitted(&self, port: u16, method: &str, path: &str) -> bool {
        let tcp = self.rules.iter().any(|rule| matches!(rule, Rule::Tcp));
        let http: Vec<&Option<Vec<usize>>> =
            self.rules.iter().filter_map(|r| if let Rule::Http(names) = r { Some(names) } else { None }).collect();
        let udp = self.rules.iter().any(|rule| matches!(rule, Rule::Udp));
        let opaque = self.service && port == 3306;
        if self.port.is_some_and(|only| only != port) || self.rules.is_empty() {
            return false;
        }
        if tcp && !self.tcp_ports().is_empty() && !self.tcp_ports().contains(&port) {
            return false;
        }
        if self.from == From::Osm && udp {
            return false;
        }
        let unknown = |names: &&Option<Vec<usize>>| names.iter().flatten().any(|name| *name > 1);
        if self.from == From::TraefikMesh && http.iter().any(unknown) {
            return false;
        }
        if http.is_empty() {
            return tcp && (self.from == From::Smi || opaque);
        }
        http.iter().any(|names| {
            let listed = names.as_ref().filter(|names| !names.is_empty());
            let all: Vec<usize> = match listed {
                Some(names) => names.clone(),
                None if self.from == From::Osm => vec![],
                None => vec![0, 1],
            };
            all.iter().filter_map(|name| self.entries.get(*name)).any(|entry| self.matches(entry, method, path))
        })
    }

    fn matches(&self, entry: &Entry, method: &str, path: &str) -> bool {
        let listed = entry.methods.as_ref().filter(|methods| !methods.is_empty());
        let method = listed.is_none_or(|methods| methods.iter().any(|m| METHODS[*m] == method));
        let regex = |text: String| Regex::new(&text).unwrap().is_match(path);
        method
            && match entry.path.map(|path| PATHS[path]) {
                None => true,
                Some("") if self.from != From::Smi => true,
                Some(text) => match self.from {
                    From::Osm => regex(format!("^(?:{text})$")),
                    From::TraefikMesh => regex(format!("^/(?:{})", text.strip_prefix('/').unwrap_or(text))),
                    _ => regex(format!("^(?:{text})")),
                },
            }
    }
}

/// By what is printed, as the mesh reads it.
fn admits(objects: &[Value], port: u16, method: &str, path: &str) -> bool {
    let find = |kind: &str, name: &Value| objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == *name);
    let Some(target) = find("TrafficTarget", &"t".into()) else { return false };
    let rules = target["spec"]["rules"].as_array().unwrap();
    let of = |kind: &str| rules.iter().filter(|rule| rule["kind"] == kind).collect::<Vec<_>>();
    let (http, tcp) = (of("HTTPRouteGroup"), of("TCPRoute"));
    let opens = |rule: &&Value| {
        find("TCPRoute", &rule["name"]).is_some_and(|route| {
            let ports = route["spec"]["matches"]["ports"].as_array();
            ports.is_none_or(|ports| ports.is_empty() || ports.contains(&port.into()))
        })
    };
    if !tcp.is_empty() && !tcp.iter().any(opens) {
        return false;
    }
    if http.is_empty() {
        return !tcp.is_empty();
    }
    http.iter().any(|rule| {
        let Some(group) = find("HTTPRouteGroup", &rule["name"]) else { return false };
        let full_match = group.pointer("/metadata/annotations").is_some();
        group["spec"]["matches"].as_array().unwrap().iter().any(|entry| {
            let listed =
                rule["matches"].as_array().is_none_or(|names| names.is_empty() || names.contains(&entry["name"]));
            let texts = |value: &Value| -> Vec<String> {
                value.as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
            };
            let spec = HttpMatchSpec {
                path_regex: entry["pathRegex"].as_str().map(str::to_owned),
                methods: texts(&entry["methods"]),
                full_match,
                ..HttpMatchSpec::default()
            };
            let headers = http::HeaderMap::new();
            listed
                && HttpMatch::compile(spec).unwrap().matches(HttpRequest {
                    method,
                    path,
                    authority: "api",
                    headers: &headers,
                })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_opened_wider(case in case()) {
        let documents: Vec<Document> =
            case.objects().into_iter().map(|value| Document { source: "f".into(), value }).collect();
        let outcome = migrate(&documents, case.from).unwrap();
        for (port, (method, path)) in PORTS.iter().flat_map(|p| METHODS.iter().flat_map(|m| REQUESTS.iter().map(move |r| (m, r))).map(move |r| (*p, r))) {
            let before = case.admitted(port, method, path);
            let after = admits(&outcome.objects, port, method, path);
            prop_assert!(before || !after, "{method} {path} at {port} is new");
            // With nothing left out it is the same, but for what rules narrow each other here.
            let plain = case.rules.iter().all(|rule| matches!(rule, Rule::Http(_)));
            if outcome.is_whole() && plain {
                prop_assert_eq!(before, after, "{} {} at {}", method, path, port);
            }
        }
    }

    #[test]
    fn every_object_and_every_unknown_field_is_accounted_for(case in case(), at in 0..5usize) {
        let places = ["/spec", "/spec/destination", "/spec/rules/0", "/spec/matches/0", "/metadata"];
        let mut objects = case.objects();
        let mut strange = BTreeSet::new();
        for object in &mut objects {
            if object["kind"] == "Service" {
                continue;
            }
            if let Some(map) = object.pointer_mut(places[at]).and_then(Value::as_object_mut) {
                map.insert("strange".into(), "x".into());
                strange.insert(object["metadata"]["name"].as_str().unwrap().to_owned());
            }
        }
        let documents: Vec<Document> = objects.into_iter().map(|value| Document { source: "f".into(), value }).collect();
        let outcome = migrate(&documents, case.from).unwrap();
        for document in &documents {
            let title = document.title();
            let printed = outcome.objects.iter().any(|object| crate::input::title(object) == title);
            let told: Vec<&Finding> = outcome.findings.iter().filter(|f| f.object == title).collect();
            prop_assert!(printed || told.iter().any(|f| f.left_out == Extent::Object) || outcome.unchanged.contains(&title));
            if strange.contains(document.name().unwrap()) {
                let whole = told.iter().any(|f| f.left_out == Extent::Object);
                prop_assert!(whole || told.iter().any(|f| f.field.ends_with("strange") || f.field.starts_with("spec.matches[0]")), "{title}: {told:?}");
            }
        }
    }
}
