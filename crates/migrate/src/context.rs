//! What an object's translation must know of the others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{input::Document, origin::Reading};

type Key = (Option<String>, String);

/// What the input says beside the object at hand.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) reading: Reading,
    services: BTreeMap<Key, Vec<&'a Document>>,
    groups: BTreeMap<Key, BTreeSet<String>>,
    tcp: BTreeMap<Key, Vec<u16>>,
    pub(crate) split: BTreeSet<Key>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServicePort {
    pub(crate) port: u16,
    /// The port of the pod, where it is a number.
    pub(crate) target: Option<u16>,
    /// What it says it speaks: `appProtocol`, else the first part of its name.
    pub(crate) speaks: String,
    /// What OSM takes it for.
    pub(crate) osm: Osm,
}

/// What OSM does with a port: `serviceToMeshServices` in its pkg/compute/kube/client.go, and `getInboundMeshFilterChains` in
/// pkg/envoy/generator/lds/inmesh.go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Osm {
    Tcp,
    /// HTTP, or a protocol that it serves nothing for.
    Other,
}

impl Osm {
    /// `appProtocol` as it stands, in any case; else what stands before the name's first dash, which must be there; else HTTP.
    fn of(name: &str, app_protocol: Option<&str>) -> Self {
        let before_dash = || ["tcp-server-first-", "tcp-"].iter().any(|prefix| name.starts_with(prefix));
        let tcp = match app_protocol.map(str::to_ascii_lowercase) {
            Some(word) => matches!(word.as_str(), "tcp" | "tcp-server-first"),
            None => before_dash(),
        };
        if tcp { Self::Tcp } else { Self::Other }
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(documents: &'a [Document], reading: Reading) -> Self {
        let mut context = Self {
            reading,
            services: BTreeMap::new(),
            groups: BTreeMap::new(),
            tcp: BTreeMap::new(),
            split: BTreeSet::new(),
        };
        for document in documents {
            let Some(name) = document.name() else { continue };
            let key = (document.namespace().map(str::to_owned), name.to_owned());
            match document.kind() {
                "Service" if document.group().is_empty() => {
                    context.services.entry(key).or_default().push(document);
                }
                "HTTPRouteGroup" => {
                    let names = matches(&document.value).filter_map(|m| Some(m.get("name")?.as_str()?.to_owned()));
                    context.groups.entry(key).or_default().extend(names);
                }
                "TCPRoute" if document.group().ends_with("smi-spec.io") => {
                    let ports = document.value.pointer("/spec/matches/ports").and_then(Value::as_array);
                    let ports = ports.into_iter().flatten().filter_map(|p| u16::try_from(p.as_u64()?).ok()).collect();
                    context.tcp.insert(key, ports);
                }
                "TrafficSplit" => {
                    let root = document.value.pointer("/spec/service").and_then(Value::as_str).unwrap_or_default();
                    let root = root.split('.').next().unwrap_or_default();
                    context.split.insert((key.0, root.to_owned()));
                }
                _ => {}
            }
        }
        context
    }

    /// The names of a route group's matches, if the input has the group.
    pub(crate) fn group(&self, namespace: Option<&str>, name: &str) -> Option<&BTreeSet<String>> {
        self.groups.get(&(namespace.map(str::to_owned), name.to_owned()))
    }

    /// The ports of a TCPRoute, if the input has it; none is all.
    pub(crate) fn tcp(&self, namespace: Option<&str>, name: &str) -> Option<&[u16]> {
        self.tcp.get(&(namespace.map(str::to_owned), name.to_owned())).map(Vec::as_slice)
    }

    /// The TCP ports of a Service, if the input has it.
    pub(crate) fn ports(&self, namespace: Option<&str>, name: &str) -> Option<Vec<ServicePort>> {
        let service = self.services.get(&(namespace.map(str::to_owned), name.to_owned()))?.first()?;
        Some(ports(&service.value))
    }

    /// Is it known of a pod's port that it speaks no HTTP? By the Services of the namespace, as the mesh itself judges.
    pub(crate) fn is_opaque(&self, namespace: Option<&str>, port: u16) -> bool {
        let mut known = false;
        for (key, documents) in &self.services {
            if key.0.as_deref() != namespace {
                continue;
            }
            for service in documents {
                let reached = ports(&service.value).into_iter().filter(|p| p.target.unwrap_or(p.port) == port);
                for reached in reached {
                    known = true;
                    let opaque = match self.reading {
                        Reading::TraefikMesh => traffic_type(service) == Some("tcp"),
                        _ => reached.osm == Osm::Tcp,
                    };
                    if !opaque {
                        return false;
                    }
                }
            }
        }
        known
    }
}

fn traffic_type(service: &Document) -> Option<&str> {
    let annotations = service.value.pointer("/metadata/annotations")?;
    let of = |key| annotations.get(key).and_then(Value::as_str);
    of("mesh.traefik.io/traffic-type").or_else(|| of("maesh.containo.us/traffic-type"))
}

/// The TCP ports of a Service.
pub(crate) fn ports(service: &Value) -> Vec<ServicePort> {
    let list = service.pointer("/spec/ports").and_then(Value::as_array);
    let tcp = list.into_iter().flatten().filter(|port| port.get("protocol").is_none_or(|p| p.is_null() || p == "TCP"));
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    let one = |entry: &Value| {
        let port = number(entry.get("port"))?;
        let target = match entry.get("targetPort") {
            None | Some(Value::Null) => Some(port),
            given => number(given),
        };
        let text = |key| entry.get(key).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
        let name = text("name").unwrap_or_default();
        let app_protocol = text("appProtocol");
        let speaks = app_protocol.unwrap_or_else(|| name.split('-').next().unwrap_or_default());
        Some(ServicePort { port, target, speaks: speaks.to_owned(), osm: Osm::of(name, app_protocol) })
    };
    tcp.filter_map(one).collect()
}

/// The entries of a route group, of any version.
pub(crate) fn matches(group: &Value) -> impl Iterator<Item = &Value> {
    let list = group.pointer("/spec/matches").or_else(|| group.get("matches")).and_then(Value::as_array);
    list.into_iter().flatten()
}
