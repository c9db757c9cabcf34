//! Defaults of the built-in kinds.

mod pod;
mod workload;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::resource::Resource;

type Object = Map<String, Value>;

pub(super) fn object(resource: &Resource, object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    // What has no place to be set in stays as it is; the checks tell.
    let _: Option<()> = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => pod(map),
        ("", "Service") => service(map),
        ("", "Namespace") => namespace(map),
        ("", "Secret") => secret(map),
        ("", "Endpoints") => endpoints(map),
        ("", "ReplicationController") => workload::replication_controller(map),
        ("apps", "DaemonSet") => workload::daemon_set(map),
        ("apps", "Deployment") => workload::deployment(map),
        ("apps", "ReplicaSet") => workload::replica_set(map),
        ("apps", "StatefulSet") => workload::stateful_set(map),
        ("batch", "Job") => workload::job(map),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice(map),
        ("admissionregistration.k8s.io", kind) => webhooks(map, kind),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd(map),
        ("apiregistration.k8s.io", "APIService") => api_service(map),
        ("rbac.authorization.k8s.io", kind) if kind.ends_with("Binding") => binding(map),
        _ => None,
    };
}

fn pod(map: &mut Object) -> Option<()> {
    if let Some(spec) = child(map, "spec") {
        pod::spec(spec);
    }
    put(entry(map, "status")?, "phase", "Pending");
    Some(())
}

fn namespace(map: &mut Object) -> Option<()> {
    let meta = entry(map, "metadata")?;
    let name = meta.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())?.to_owned();
    entry(meta, "labels")?.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    Some(())
}

fn endpoints(map: &mut Object) -> Option<()> {
    for subset in items(map, "subsets") {
        items(subset, "ports").for_each(|port| put(port, "protocol", "TCP"));
    }
    None
}

fn endpoint_slice(map: &mut Object) -> Option<()> {
    for port in items(map, "ports") {
        put(port, "name", "");
        put(port, "protocol", "TCP");
    }
    None
}

fn api_service(map: &mut Object) -> Option<()> {
    put(child(child(map, "spec")?, "service")?, "port", 443);
    Some(())
}

/// Sets an absent field.
fn put(map: &mut Object, field: &str, value: impl Into<Value>) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value.into());
    }
}

/// Sets an absent or empty text.
fn put_text(map: &mut Object, field: &str, value: &str) {
    if map.get(field).is_none_or(|v| v.is_null() || v.as_str() == Some("")) {
        map.insert(field.to_owned(), value.into());
    }
}

fn child<'a>(map: &'a mut Object, field: &str) -> Option<&'a mut Object> {
    map.get_mut(field)?.as_object_mut()
}

/// The object in a field, made if it isn't there.
fn entry<'a>(map: &'a mut Object, field: &str) -> Option<&'a mut Object> {
    let slot = map.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

fn items<'a>(map: &'a mut Object, field: &str) -> impl Iterator<Item = &'a mut Object> {
    map.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn service(map: &mut Object) -> Option<()> {
    let spec = entry(map, "spec")?;
    put_text(spec, "sessionAffinity", "None");
    put_text(spec, "type", "ClusterIP");
    if spec.get("sessionAffinity").and_then(Value::as_str) == Some("ClientIP") {
        put(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
    }
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = kind == "ExternalName";
    for port in items(spec, "ports") {
        put_text(port, "protocol", "TCP");
        let unset = match port.get("targetPort") {
            None | Some(Value::Null) => true,
            Some(target) => target.as_i64() == Some(0) || target.as_str() == Some(""),
        };
        if let Some(number) = port.get("port").cloned().filter(|_| unset) {
            port.insert("targetPort".to_owned(), number);
        }
    }
    if !named {
        put(spec, "internalTrafficPolicy", "Cluster");
        put(spec, "ipFamilyPolicy", "SingleStack");
        put(spec, "ipFamilies", json!(["IPv4"]));
        let first = spec.get("clusterIP").and_then(Value::as_str).filter(|ip| !ip.is_empty()).map(str::to_owned);
        match first {
            Some(ip) => put(spec, "clusterIPs", json!([ip])),
            None => {
                if let Some(ip) = spec.get("clusterIPs").and_then(|ips| ips.get(0)).cloned() {
                    put_text(spec, "clusterIP", ip.as_str().unwrap_or_default());
                }
            }
        }
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        put_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        put(spec, "allocateLoadBalancerNodePorts", true);
    }
    put(map, "status", json!({"loadBalancer": {}}));
    Some(())
}

fn secret(map: &mut Object) -> Option<()> {
    put_text(map, "type", "Opaque");
    let Some(Value::Object(texts)) = map.remove("stringData") else { return None };
    let data = entry(map, "data")?;
    for (key, value) in texts {
        let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(key, encoded.into());
    }
    Some(())
}

fn webhooks(map: &mut Object, kind: &str) -> Option<()> {
    for hook in items(map, "webhooks") {
        put(hook, "failurePolicy", "Fail");
        put(hook, "matchPolicy", "Equivalent");
        put(hook, "namespaceSelector", json!({}));
        put(hook, "objectSelector", json!({}));
        put(hook, "timeoutSeconds", 10);
        if kind == "MutatingWebhookConfiguration" {
            put(hook, "reinvocationPolicy", "Never");
        }
        items(hook, "rules").for_each(|rule| put(rule, "scope", "*"));
        if let Some(service) = child(hook, "clientConfig").and_then(|config| child(config, "service")) {
            put(service, "port", 443);
        }
    }
    Some(())
}

fn crd(map: &mut Object) -> Option<()> {
    let spec = entry(map, "spec")?;
    let names = entry(spec, "names")?;
    if let Some(kind) = names.get("kind").and_then(Value::as_str).map(str::to_owned).filter(|kind| !kind.is_empty()) {
        put_text(names, "singular", &kind.to_lowercase());
        put_text(names, "listKind", &format!("{kind}List"));
    }
    let conversion = entry(spec, "conversion")?;
    put_text(conversion, "strategy", "None");
    let webhook = child(conversion, "webhook").and_then(|webhook| child(webhook, "clientConfig"));
    if let Some(service) = webhook.and_then(|config| child(config, "service")) {
        put(service, "port", 443);
    }
    Some(())
}

fn binding(map: &mut Object) -> Option<()> {
    if let Some(role) = child(map, "roleRef") {
        put_text(role, "apiGroup", "rbac.authorization.k8s.io");
    }
    for subject in items(map, "subjects") {
        let named = matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group"));
        if named {
            put_text(subject, "apiGroup", "rbac.authorization.k8s.io");
        }
    }
    Some(())
}
