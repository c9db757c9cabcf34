//! A cluster in memory for tests: objects as manifests, in and out.

use isthmus_core::{
    destination::{Destination, DestinationKey, ServiceRoute},
    id::{ObjectName, TrustDomain},
    inbound::{InboundPolicy, PolicyMode},
};
use isthmus_identity::{Authority, BundleDigest, Document};
use isthmus_k8s::watch::{Change, Malformed};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    compile::{self, Reader, Settings, TokenKey},
    fault::{Kind, ObjectRef},
    index::{Facts, Index, Update},
};

/// What every test cluster is called.
pub(crate) fn settings() -> Settings {
    Settings {
        mesh: "isthmus".parse().unwrap(),
        namespace: "isthmus-system".into(),
        tokens: TokenKey::new(b"a key for tests"),
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
        "Mesh" => Update::Mesh(change(m)),
        "MeshPeer" => Update::Peer(change(m)),
        "ExportedService" => Update::Export(change(m)),
        "ImportedService" => Update::Import(change(m)),
        other => panic!("no such kind: {other}"),
    }
}

/// The same object gone.
pub(crate) fn deleted(kind: &str, name: &str) -> Update {
    let name = ObjectName::new("shop", name);
    match kind {
        "Mesh" => Update::Mesh(Change::Deleted(ObjectName::new("", &*name.name))),
        "Service" => Update::Service(Change::Deleted(name)),
        "EndpointSlice" => Update::EndpointSlice(Change::Deleted(name)),
        "Pod" => Update::Pod(Change::Deleted(name)),
        "TrafficSplit" => Update::Split(Change::Deleted(name)),
        "TrafficTarget" => Update::Target(Change::Deleted(name)),
        "HTTPRouteGroup" => Update::Group(Change::Deleted(name)),
        "TCPRoute" => Update::TcpRoute(Change::Deleted(name)),
        "IdentityBinding" => Update::Binding(Change::Deleted(name)),
        "MeshPeer" => Update::Peer(Change::Deleted(ObjectName::new("", &*name.name))),
        "ExportedService" => Update::Export(Change::Deleted(name)),
        "ImportedService" => Update::Import(Change::Deleted(name)),
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
        "Mesh" | "MeshPeer" | "ExportedService" | "ImportedService" => "federation.isthmus.mesh/v1alpha1",
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

/// An object of this kind outside of namespaces.
pub(crate) fn global(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = object(kind, name, spec);
    object["metadata"].as_object_mut().unwrap().remove("namespace");
    object["metadata"]["uid"] = json!(format!("uid-{name}"));
    object
}

/// A bundle of `<mesh>.local`, as a controller has verified it.
pub(crate) fn bundle_status(mesh: &str, sequence: u64) -> Value {
    let domain = TrustDomain::new(&format!("{mesh}.local")).unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let root = Authority::generate(domain, std::time::SystemTime::now(), hour).unwrap();
    let bundle = root.bundle(sequence);
    json!({"sequence": sequence, "digest": BundleDigest::of(&bundle).to_string(),
           "document": Document::of(&bundle, hour).unwrap()})
}

/// A peer that is trusted and has been heard.
pub(crate) fn peer(mesh: &str) -> Value {
    let mut peer = global("MeshPeer", mesh, json!({"trustDomain": format!("{mesh}.local")}));
    peer["status"] = json!({"bundle": bundle_status(mesh, 1), "catalogs": [{"cluster": mesh, "sequence": 1,
        "digest": format!("sha256:{}", "0".repeat(64)), "state": "Fresh", "services": 1}]});
    peer
}

/// What a cluster says of a service: `(name, number)` of its ports, and `(token, ServiceAccount)` of its pods.
pub(crate) fn catalog(mesh: &str, ports: &[(&str, u16)], pods: &[(&str, &str)]) -> Value {
    let numbers: Vec<u16> = ports.iter().map(|(_, port)| *port).collect();
    json!({
        "cluster": mesh, "state": "Fresh", "gateways": ["192.0.2.1:15443"],
        "ports": ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect::<Value>(),
        "endpoints": pods.iter().map(|(token, account)| json!({"token": token, "ports": numbers,
            "identity": format!("spiffe://{mesh}.local/ns/shop/sa/{account}")})).collect::<Value>()
    })
}

/// An import of a service of the same name, with a catalog of one cluster.
pub(crate) fn import(name: &str, mesh: &str, catalog: Value) -> Value {
    let mut import = object("ImportedService", name, json!({"from": {"mesh": mesh}}));
    import["status"] = json!({"state": "Fresh", "catalog": [catalog]});
    import
}

/// The Service that is made for an import.
pub(crate) fn imported(name: &str, ip: &str, ports: &[u16]) -> Value {
    let mut service = service(name, ip, ports);
    service["metadata"]["ownerReferences"] = json!([{"apiVersion": "federation.isthmus.mesh/v1alpha1",
        "kind": "ImportedService", "name": name, "uid": format!("uid-shop/{name}"), "controller": true}]);
    service
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
    let namespace = if kind.is_cluster_scoped() { "" } else { "shop" };
    let object = ObjectRef { kind, name: ObjectName::new(namespace, name) };
    compile::check(&Reader::new(index), &object).expect("no such object").faults
}
