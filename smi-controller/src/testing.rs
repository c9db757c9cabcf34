//! A cluster in memory for tests: objects as manifests, in and out.

use isthmus_core::{
    destination::{Destination, DestinationKey, ServiceRoute},
    id::{ObjectName, TrustDomain},
    inbound::{InboundPolicy, PolicyMode},
};
use isthmus_k8s::watch::{Change, Malformed};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    compile::{self, Reader, Settings},
    fault::{Kind, ObjectRef},
    index::{Facts, Index, Update},
};

/// What every test cluster is called.
pub(crate) fn settings() -> Settings {
    Settings {
        trust_domain: TrustDomain::new("isthmus.local").unwrap(),
        cluster_domain: "cluster.local".into(),
        mode: PolicyMode::Enforce,
    }
}

/// A manifest as a change.
pub(crate) fn applied(manifest: Value) -> Update {
    fn change<T: DeserializeOwned>(manifest: &Value) -> Change<T> {
        match serde_json::from_value(manifest.clone()) {
            Ok(object) => Change::Applied(object),
            Err(error) => Change::Malformed(Malformed {
                name: name_of(manifest),
                uid: format!("uid-{}", name_of(manifest)),
                generation: manifest["metadata"]["generation"].as_i64().unwrap_or(1),
                error: error.to_string(),
            }),
        }
    }
    let m = &manifest;
    match manifest["kind"].as_str().unwrap() {
        "Service" => Update::Service(change(m)),
        "EndpointSlice" => Update::EndpointSlice(change(m)),
        "Pod" => Update::Pod(change(m)),
        "ServiceAccount" => Update::ServiceAccount(change(m)),
        "Namespace" => Update::Namespace(change(m)),
        "TrafficSplit" => Update::Split(change(m)),
        "TrafficTarget" => Update::Target(change(m)),
        "HTTPRouteGroup" => Update::Group(change(m)),
        "TCPRoute" => Update::TcpRoute(change(m)),
        "UDPRoute" => Update::UdpRoute(change(m)),
        "IdentityBinding" => Update::Binding(change(m)),
        other => panic!("no such kind: {other}"),
    }
}

/// The same object gone.
pub(crate) fn deleted(kind: &str, name: &str) -> Update {
    let name = ObjectName::new("shop", name);
    match kind {
        "Service" => Update::Service(Change::Deleted(name)),
        "EndpointSlice" => Update::EndpointSlice(Change::Deleted(name)),
        "Pod" => Update::Pod(Change::Deleted(name)),
        "TrafficSplit" => Update::Split(Change::Deleted(name)),
        "TrafficTarget" => Update::Target(Change::Deleted(name)),
        "HTTPRouteGroup" => Update::Group(Change::Deleted(name)),
        "TCPRoute" => Update::TcpRoute(Change::Deleted(name)),
        "IdentityBinding" => Update::Binding(Change::Deleted(name)),
        "Namespace" => Update::Namespace(Change::Deleted(ObjectName::new("", &*name.name))),
        other => panic!("no such kind: {other}"),
    }
}

fn name_of(manifest: &Value) -> ObjectName {
    let meta = &manifest["metadata"];
    ObjectName::new(meta["namespace"].as_str().unwrap_or_default(), meta["name"].as_str().unwrap())
}

/// An object of namespace `shop`, of generation 1, with everything that an API server fills in.
pub(crate) fn object(kind: &str, name: &str, spec: Value) -> Value {
    let version = match kind {
        "TrafficSplit" => "split.smi-spec.io/v1alpha4",
        "TrafficTarget" | "IdentityBinding" => "access.smi-spec.io/v1alpha4",
        "EndpointSlice" => "discovery.k8s.io/v1",
        "HTTPRouteGroup" | "TCPRoute" | "UDPRoute" => "specs.smi-spec.io/v1alpha4",
        _ => "v1",
    };
    json!({
        "apiVersion": version, "kind": kind,
        "metadata": {
            "namespace": "shop", "name": name, "uid": format!("uid-shop/{name}"), "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z"
        },
        "spec": spec
    })
}

/// A Service at a cluster address.
pub(crate) fn service(name: &str, ip: &str, ports: &[u16]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|p| json!({"name": format!("p{p}"), "port": p})).collect();
    object("Service", name, json!({"clusterIP": ip, "clusterIPs": [ip], "ports": ports}))
}

/// A slice of a Service: `(port name, container port)`, and `(pod, address)`.
pub(crate) fn slice(service: &str, ports: &[(&str, u16)], endpoints: &[(&str, &str)]) -> Value {
    let mut slice = object("EndpointSlice", &format!("{service}-1"), Value::Null);
    slice.as_object_mut().unwrap().remove("spec");
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": service});
    slice["addressType"] = json!("IPv4");
    slice["ports"] = ports.iter().map(|(n, p)| json!({"name": n, "port": p, "protocol": "TCP"})).collect();
    slice["endpoints"] = endpoints
        .iter()
        .map(|(pod, ip)| {
            json!({"addresses": [ip], "conditions": {"ready": true},
                   "targetRef": {"kind": "Pod", "namespace": "shop", "name": pod}})
        })
        .collect();
    slice
}

/// A pod with a proxy.
pub(crate) fn pod(name: &str, account: &str, ip: &str) -> Value {
    let mut pod = object(
        "Pod",
        name,
        json!({
            "serviceAccountName": account,
            "initContainers": [{"name": "isthmus-proxy", "image": "isthmus/proxy"}],
            "containers": [{"name": "app", "image": "isthmus/app"}]
        }),
    );
    pod["status"] = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "10.42.0.1"});
    pod
}

/// Replaces a value in a manifest.
pub(crate) fn with(mut manifest: Value, pointer: &str, value: Value) -> Value {
    match manifest.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            manifest.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = value;
        }
    }
    manifest
}

/// An index that has read these manifests.
pub(crate) fn index_of(manifests: impl IntoIterator<Item = Value>) -> Index {
    let mut index = Index::new(settings());
    for manifest in manifests {
        index.update(applied(manifest), &mut Facts::new());
    }
    index
}

/// What a caller in `shop` reaches.
pub(crate) fn reach(index: &Index, host: &str, port: u16) -> Destination {
    compile::destination(&Reader::new(index), "shop", &DestinationKey { host: host.into(), port })
}

/// The same, of a Service.
pub(crate) fn route(index: &Index, host: &str, port: u16) -> ServiceRoute {
    match reach(index, host, port) {
        Destination::Service(route) => route,
        other => panic!("{host}:{port} is not a Service: {other:?}"),
    }
}

/// The split as `(service, weight, endpoints)`.
pub(crate) fn shares(route: &ServiceRoute) -> Vec<(String, u32, Vec<String>)> {
    let split = route.split.as_ref().expect("no split");
    let share = |(backend, weight): &(isthmus_core::destination::Backend, u32)| {
        (backend.service.name.to_string(), *weight, addresses(backend))
    };
    split.backends.iter().map(share).collect()
}

/// Addresses of a backend.
pub(crate) fn addresses(backend: &isthmus_core::destination::Backend) -> Vec<String> {
    backend.endpoints.iter().map(|e| e.addr.to_string()).collect()
}

/// What a pod of `shop` lets in.
pub(crate) fn policy(index: &Index, pod: &str) -> InboundPolicy {
    compile::inbound(&Reader::new(index), &ObjectName::new("shop", pod)).expect("no such pod")
}

/// The reasons of an object's faults.
pub(crate) fn reasons(index: &Index, kind: Kind, name: &str) -> Vec<&'static str> {
    faults(index, kind, name).iter().map(|f| f.reason.as_str()).collect()
}

/// An object's faults.
pub(crate) fn faults(index: &Index, kind: Kind, name: &str) -> Vec<crate::fault::Fault> {
    let object = ObjectRef { kind, name: ObjectName::new("shop", name) };
    compile::check(&Reader::new(index), &object).expect("no such object").faults
}
