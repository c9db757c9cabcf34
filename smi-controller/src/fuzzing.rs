//! Doors to what reads users' objects, for the fuzz targets alone (docs/fuzzing.md).

use isthmus_core::{
    destination::{Destination, DestinationKey},
    id::{ObjectName, TrustDomain},
    inbound::{InboundPolicy, PolicyMode},
};
use isthmus_k8s::watch::Change;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    admission::Validator,
    compile::{self, Reader, Settings, TokenKey},
    index::{Facts, Index, Update},
    webhook::{self, Request},
};

/// The body of an admission request.
pub fn review(body: &[u8]) {
    if let Ok(request) = webhook::read(body) {
        answer(&request);
    }
}

fn answer(request: &Request) {
    let validator = Validator { cluster_domain: "cluster.local".into() };
    let _ = validator.decide(request).review(&request.uid).to_string();
}

/// An SMI object in a small cluster: at the door, in the index, compiled. Gone again, it must leave no trace.
pub fn object(object: &Value) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("/kind");
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u", "operation": "CREATE", "object": object,
            "kind": {"group": text("/apiVersion").split('/').next().unwrap_or_default(), "version": "v", "kind": kind}
        }
    });
    self::review(review.to_string().as_bytes());
    let Some((applied, deleted)) = change(&kind, object) else { return };
    let mut index = world();
    let before = compiled(&index);
    index.update(applied, &mut Facts::new());
    compiled(&index);
    for object in compile::all_objects(&index) {
        let _ = compile::check(&Reader::new(&index), &object);
    }
    index.update(deleted, &mut Facts::new());
    assert_eq!(compiled(&index), before);
}

fn change(kind: &str, object: &Value) -> Option<(Update, Update)> {
    fn pair<T: DeserializeOwned + ResourceExt>(
        object: &Value,
        update: impl Fn(Change<T>) -> Update,
    ) -> Option<(Update, Update)> {
        let object: T = serde_json::from_value(object.clone()).ok()?;
        let name = ObjectName::new(object.namespace().unwrap_or_default(), object.name_any());
        Some((update(Change::Applied(object)), update(Change::Deleted(name))))
    }
    match kind {
        "TrafficSplit" => pair(object, Update::Split),
        "TrafficTarget" => pair(object, Update::Target),
        "HTTPRouteGroup" => pair(object, Update::Group),
        "TCPRoute" => pair(object, Update::TcpRoute),
        "UDPRoute" => pair(object, Update::UdpRoute),
        "IdentityBinding" => pair(object, Update::Binding),
        "Mesh" => pair(object, Update::Mesh),
        "MeshPeer" => pair(object, Update::Peer),
        "ExportedService" => pair(object, Update::Export),
        "ImportedService" => pair(object, Update::Import),
        _ => None,
    }
}

/// Services `web` and `api` of namespace `shop`, with a pod each.
fn world() -> Index {
    let trust_domain = TrustDomain::new("isthmus.local").unwrap_or_else(|_| unreachable!("a valid name"));
    let mut index = Index::new(Settings {
        mesh: "isthmus".parse().unwrap_or_else(|_| unreachable!("a valid name")),
        trust_domain,
        cluster_domain: "cluster.local".into(),
        mode: PolicyMode::Enforce,
        namespace: "isthmus-system".into(),
        tokens: TokenKey::new(b"fuzzing"),
    });
    for (number, name) in ["web", "api"].into_iter().enumerate() {
        let meta =
            |name: &str| json!({"namespace": "shop", "name": name, "labels": {"kubernetes.io/service-name": name}});
        let (service, pod) = (format!("10.43.0.{}", number + 1), format!("10.42.0.{}", number + 1));
        let objects = [
            json!({"metadata": meta(name), "spec": {"clusterIP": service, "clusterIPs": [service],
                   "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
            json!({"metadata": meta(name), "spec": {"serviceAccountName": name, "containers": [],
                   "initContainers": [{"name": "isthmus-proxy"}]},
                   "status": {"phase": "Running", "podIP": pod, "podIPs": [{"ip": pod}]}}),
            json!({"metadata": meta(name), "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
                   "endpoints": [{"addresses": [pod], "conditions": {"ready": true},
                                  "targetRef": {"kind": "Pod", "namespace": "shop", "name": name}}]}),
        ];
        let [service, pod, slice] = objects;
        let changes = [
            serde_json::from_value(service).map(|o| Update::Service(Change::Applied(o))),
            serde_json::from_value(pod).map(|o| Update::Pod(Change::Applied(o))),
            serde_json::from_value(slice).map(|o| Update::EndpointSlice(Change::Applied(o))),
        ];
        for change in changes.into_iter().flatten() {
            index.update(change, &mut Facts::new());
        }
    }
    index
}

/// What callers and callees of the cluster get.
fn compiled(index: &Index) -> (Vec<Destination>, Vec<Option<InboundPolicy>>) {
    let hosts = ["10.43.0.1", "10.43.0.2", "10.42.0.1"];
    let destination =
        |host: &str| compile::destination(&Reader::new(index), "shop", &DestinationKey { host: host.into(), port: 80 });
    let inbound = |pod| compile::inbound(&Reader::new(index), &ObjectName::new("shop", pod));
    (hosts.into_iter().map(destination).collect(), ["web", "api"].map(inbound).into())
}
