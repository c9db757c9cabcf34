//! SMI objects from version to version, by any way: any JSON, and objects as their schemas admit them.
#![no_main]

use isthmus_k8s::convert::{PARKED_ANNOTATION, Version, convert};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use serde_json::{Map, Value, json};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    object: Object<'a>,
    version: u8,
    way: Vec<u8>,
    /// In the place of what is parked: what somebody may have written there.
    annotation: Option<&'a str>,
}

#[derive(Debug, Arbitrary)]
enum Object<'a> {
    /// Fields of any shape.
    Any(Kind, &'a [u8]),
    Group(Option<Vec<Match<'a>>>),
    Route(Option<(Option<&'a str>, Option<Vec<u16>>)>),
    Split(&'a str, Vec<Backend<'a>>, Option<Vec<&'a str>>),
    Target(Subject<'a>, Option<Vec<&'a str>>, Option<Vec<Subject<'a>>>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Kind {
    Group,
    Route,
    Split,
    Target,
}

#[derive(Debug, Arbitrary)]
struct Match<'a> {
    name: Option<&'a str>,
    path: Option<&'a str>,
    get: Option<bool>,
    headers: Option<Vec<(&'a str, &'a str)>>,
}

#[derive(Debug, Arbitrary)]
struct Backend<'a> {
    service: &'a str,
    weight: u32,
    /// In v1alpha1: whole, fraction, suffix.
    quantity: Option<(u16, Option<u16>, u8)>,
}

#[derive(Debug, Arbitrary)]
struct Subject<'a> {
    name: &'a str,
    namespace: Option<&'a str>,
    port: Option<u16>,
}

const SUFFIXES: [&str; 12] = ["", "n", "u", "m", "k", "M", "Ki", "Mi", "e3", "E-3", "e+1", "G"];

fuzz_target!(|input: Input<'_>| {
    let own = version(input.version);
    let way = || input.way.iter().map(|number| version(*number));
    let Some((kind, fields)) = fields_of(&input.object, own) else { return };
    let (group, mut object) = object(kind, own, fields);
    if let Some(text) = input.annotation {
        object["metadata"]["annotations"] = json!({PARKED_ANNOTATION: text});
    }
    let to = |object: Value, to: Version| convert(object, &format!("{group}/{}", to.as_str()));
    if matches!(input.object, Object::Any(..)) {
        // Whatever is stored can be had; what clients write may be refused.
        for version in Version::ALL {
            assert!(to(object.clone(), version).is_ok() || own != Version::V1Alpha4);
        }
        let _ = way().try_fold(object, to);
    } else if input.annotation.is_some() {
        let _ = way().try_fold(object, to);
    } else {
        let there = way().try_fold(object.clone(), to).expect("it is one of its version");
        assert_eq!(to(there, own).as_ref(), Ok(&object));
    }
});

fn version(number: u8) -> Version {
    Version::ALL[usize::from(number) % Version::ALL.len()]
}

fn present(all: Vec<(&str, Option<Value>)>) -> Value {
    Value::Object(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn object(kind: Kind, version: Version, fields: Map<String, Value>) -> (&'static str, Value) {
    let (group, kind) = match kind {
        Kind::Group => ("specs.smi-spec.io", "HTTPRouteGroup"),
        Kind::Route => ("specs.smi-spec.io", "TCPRoute"),
        Kind::Split => ("split.smi-spec.io", "TrafficSplit"),
        Kind::Target => ("access.smi-spec.io", "TrafficTarget"),
    };
    let mut object = Value::Object(fields);
    object["apiVersion"] = format!("{group}/{}", version.as_str()).into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": "o"});
    (group, object)
}

/// The kind, and what is written beside the metadata.
fn fields_of(object: &Object<'_>, version: Version) -> Option<(Kind, Map<String, Value>)> {
    let (kind, flat, spec) = match object {
        Object::Any(kind, text) => return Some((*kind, serde_json::from_slice(text).ok()?)),
        Object::Group(matches) => {
            let entry = |entry: &Match<'_>| {
                let headers = entry.headers.as_ref().filter(|_| version > Version::V1Alpha1);
                present(vec![
                    ("name", entry.name.map(Value::from)),
                    ("pathRegex", entry.path.map(Value::from)),
                    ("methods", entry.get.map(|get| json!([if get { "GET" } else { "*" }]))),
                    (
                        "headers",
                        headers.map(|map| map.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect()),
                    ),
                ])
            };
            let matches = matches.as_ref().map(|matches| matches.iter().map(entry).collect());
            (Kind::Group, version <= Version::V1Alpha2, present(vec![("matches", matches)]))
        }
        Object::Route(matches) => {
            let matches = matches.as_ref().filter(|_| version == Version::V1Alpha4).map(|(name, ports)| {
                present(vec![("name", name.map(Value::from)), ("ports", ports.clone().map(Value::from))])
            });
            (Kind::Route, version <= Version::V1Alpha2, present(vec![("matches", matches)]))
        }
        Object::Split(service, backends, matches) => {
            let weight = |backend: &Backend<'_>| match backend.quantity {
                Some((whole, part, suffix)) if version == Version::V1Alpha1 => {
                    let part = part.map(|part| format!(".{part}")).unwrap_or_default();
                    let suffix = SUFFIXES[usize::from(suffix) % SUFFIXES.len()];
                    format!("{whole}{part}{suffix}").into()
                }
                _ => Value::from(backend.weight),
            };
            let backends = backends.iter().map(|b| json!({"service": b.service, "weight": weight(b)})).collect();
            let matches = matches.as_ref().filter(|_| version >= Version::V1Alpha3);
            let matches =
                matches.map(|names| names.iter().map(|n| json!({"kind": "HTTPRouteGroup", "name": n})).collect());
            let service = Some(Value::from(*service));
            (
                Kind::Split,
                false,
                present(vec![("service", service), ("backends", Some(backends)), ("matches", matches)]),
            )
        }
        Object::Target(destination, rules, sources) => {
            let subject = |subject: &Subject<'_>| {
                present(vec![
                    ("kind", Some("ServiceAccount".into())),
                    ("name", Some(subject.name.into())),
                    ("namespace", subject.namespace.map(Value::from)),
                    ("port", subject.port.filter(|port| *port != 0).map(Value::from)),
                ])
            };
            let rules =
                rules.as_ref().map(|names| names.iter().map(|n| json!({"kind": "TCPRoute", "name": n})).collect());
            let sources = sources.as_ref().map(|sources| sources.iter().map(subject).collect());
            let named = if version == Version::V1Alpha1 { "specs" } else { "rules" };
            let spec = present(vec![("destination", Some(subject(destination))), (named, rules), ("sources", sources)]);
            (Kind::Target, version == Version::V1Alpha1, spec)
        }
    };
    let fields = if flat { spec } else { json!({"spec": spec}) };
    Some((kind, fields.as_object().cloned()?))
}
