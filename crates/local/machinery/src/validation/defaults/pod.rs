//! Defaults of a pod's spec.

use serde_json::{Map, Value, json};

use super::{Object, child, items, put, put_text};

pub(super) fn spec(spec: &mut Object) {
    put_text(spec, "restartPolicy", "Always");
    put_text(spec, "dnsPolicy", "ClusterFirst");
    put_text(spec, "schedulerName", "default-scheduler");
    put(spec, "terminationGracePeriodSeconds", 30);
    put(spec, "securityContext", json!({}));
    put(spec, "enableServiceLinks", true);
    // The two names of one field.
    for (from, to) in [("serviceAccountName", "serviceAccount"), ("serviceAccount", "serviceAccountName")] {
        if let Some(name) = spec.get(from).and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned) {
            put_text(spec, to, &name);
        }
    }
    for part in ["containers", "initContainers"] {
        items(spec, part).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
}

fn container(container: &mut Object) {
    put_text(container, "terminationMessagePath", "/dev/termination-log");
    put_text(container, "terminationMessagePolicy", "File");
    put(container, "resources", json!({}));
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    let latest = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
    put_text(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    items(container, "ports").for_each(|port| put_text(port, "protocol", "TCP"));
    items(container, "env").for_each(|env| {
        if let Some(field) = child(env, "valueFrom").and_then(|from| child(from, "fieldRef")) {
            put_text(field, "apiVersion", "v1");
        }
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(inner) = child(container, name) {
            probe(inner);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(get) = child(container, "lifecycle").and_then(|l| child(l, hook)).and_then(|h| child(h, "httpGet"))
        {
            http(get);
        }
    }
}

fn probe(probe: &mut Object) {
    let zero =
        |map: &Map<String, Value>, field: &str| map.get(field).is_none_or(|v| v.is_null() || v.as_i64() == Some(0));
    for (field, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if zero(probe, field) {
            probe.insert(field.to_owned(), value.into());
        }
    }
    if let Some(get) = child(probe, "httpGet") {
        http(get);
    }
    if let Some(grpc) = child(probe, "grpc") {
        put(grpc, "service", "");
    }
}

fn http(get: &mut Object) {
    put_text(get, "path", "/");
    put_text(get, "scheme", "HTTP");
}

const MODE: i32 = 0o644;

fn volume(volume: &mut Object) {
    if volume.len() == 1 {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        let Some(inner) = child(volume, source) else { continue };
        put(inner, "defaultMode", MODE);
        items(inner, "items").for_each(field);
        for part in items(inner, "sources") {
            if let Some(token) = child(part, "serviceAccountToken") {
                put(token, "expirationSeconds", 3600);
            }
            if let Some(api) = child(part, "downwardAPI") {
                items(api, "items").for_each(field);
            }
        }
    }
    if let Some(path) = child(volume, "hostPath") {
        put(path, "type", "");
    }
}

fn field(item: &mut Object) {
    if let Some(reference) = child(item, "fieldRef") {
        put_text(reference, "apiVersion", "v1");
    }
}
