//! The objects of a case: its namespaces, its programs, and what opens them.

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::{
    case::{App, Case, HTTP, HTTP_ALT, TCP},
    meshes::{Side, Words},
    profile::Profile,
};

/// What every namespace of the suite is marked with; its value is the run.
pub(crate) const LABEL: &str = "conformance.isthmus.mesh/run";
/// What namespaces are called.
const PREFIX: &str = "isthmus-conformance";

/// Where a case lives.
pub(crate) fn namespace(run: &str, case: &Case) -> String {
    format!("{PREFIX}-{run}-{}", case.id)
}

/// One of a case's namespaces.
pub(crate) fn within(namespace: &str, other: Option<&str>) -> String {
    other.map_or_else(|| namespace.to_owned(), |other| format!("{namespace}-{other}"))
}

/// The case's own namespace, and its others.
pub(crate) fn namespaces(case: &Case, profile: &Profile, run: &str) -> Vec<Value> {
    let own = namespace(run, case);
    let names = std::iter::once(own.clone()).chain(case.namespaces.iter().map(|other| within(&own, Some(other))));
    names
        .map(|name| {
            let mut labels = json!(profile.inject.namespace_labels);
            merge(&mut labels, json!({ LABEL: run }));
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": name, "labels": labels, "annotations": profile.inject.namespace_annotations },
            })
        })
        .collect()
}

/// Everything that is there before the first step, in the order in which it is applied. What a case lists is in the mesh under test.
pub(crate) fn objects(case: &Case, profile: &Profile, words: &Words<'_>, image: &str, side: Side) -> Vec<Value> {
    let mut objects = Vec::new();
    for (name, app) in case.apps.iter().filter(|(_, app)| app.side() == side) {
        objects.extend(program(name, app, profile, &within(&words.namespace, app.namespace.as_deref()), image));
    }
    if case.open && !profile.reads("TrafficTarget").is_empty() {
        objects.extend(opening(case, words, side));
    }
    if side == Side::Own {
        objects.extend(case.objects.iter().map(|object| placed(object, words)));
    }
    objects
}

/// The object with its placeholders filled in, and in the case's namespace if it names none.
pub(crate) fn placed(object: &Value, words: &Words<'_>) -> Value {
    let mut object = words.fill(object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.entry("namespace").or_insert_with(|| words.namespace.as_str().into());
    }
    object
}

/// The account that a program runs as.
pub(crate) fn account<'a>(name: &'a str, app: &'a App) -> &'a str {
    app.account.as_deref().unwrap_or(name)
}

fn program(name: &str, app: &App, profile: &Profile, namespace: &str, image: &str) -> Vec<Value> {
    let meta = |name: &str| json!({ "name": name, "namespace": namespace });
    let port = |name: &str, port: u16| json!({ "name": name, "port": port, "targetPort": port, "protocol": "TCP" });
    let container = |name: &str, port: u16| json!({ "name": name, "containerPort": port, "protocol": "TCP" });
    let env = |name: &str, value: String| json!({ "name": name, "value": value });
    let inject = &profile.inject;
    let (marks, annotations) = match app.outside {
        false => (&inject.pod_labels, &inject.pod_annotations),
        true => (&inject.outside_labels, &inject.outside_annotations),
    };
    let mut labels = json!(marks);
    merge(&mut labels, json!(app.labels));
    merge(&mut labels, json!({ "app": name }));
    let mut service = meta(name);
    if !inject.service_annotations.is_empty() {
        merge(&mut service, json!({ "annotations": inject.service_annotations }));
    }
    vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(account(name, app)) }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": service,
            "spec": {
                "selector": { "app": name },
                "ports": [port("http", HTTP), port("tcp-lines", TCP), port("http-alt", HTTP_ALT)],
            },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name),
            "spec": {
                "replicas": app.replicas,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": labels, "annotations": annotations },
                    "spec": {
                        "serviceAccountName": account(name, app),
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{
                            "name": "app",
                            "image": image,
                            "env": [
                                env("SERVICE_NAME", name.to_owned()),
                                env("PORT", HTTP.to_string()),
                                env("TCP_PORT", TCP.to_string()),
                                env("EXTRA_PORTS", HTTP_ALT.to_string()),
                            ],
                            "ports": [container("http", HTTP), container("tcp-lines", TCP), container("http-alt", HTTP_ALT)],
                        }],
                    },
                },
            },
        }),
    ]
}

/// Every program may be called by every program, at every port.
fn opening(case: &Case, words: &Words<'_>, side: Side) -> Vec<Value> {
    let place = |app: &App| within(&words.namespace, app.namespace.as_deref());
    let (_, others) = side.names(words.parties);
    let source = |(name, app): (&String, &App)| {
        let account = account(name, app);
        if app.side() == side {
            return json!({ "kind": "ServiceAccount", "name": account, "namespace": place(app) });
        }
        let domain = others.map_or("", |names| &names.trust_domain);
        json!({ "kind": "SPIFFEIdentity", "name": format!("spiffe://{domain}/ns/{}/sa/{account}", place(app)) })
    };
    let sources: Vec<Value> = case.apps.iter().map(source).collect();
    let mut objects = Vec::new();
    for (name, app) in case.apps.iter().filter(|(_, app)| app.side() == side) {
        let route = json!({
            "apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "TCPRoute",
            "metadata": { "name": "everything", "namespace": place(app) },
            "spec": { "matches": { "ports": [] } },
        });
        if !objects.contains(&route) {
            objects.push(route);
        }
        objects.push(json!({
            "apiVersion": "access.smi-spec.io/v1alpha4", "kind": "TrafficTarget",
            "metadata": { "name": format!("open-{name}"), "namespace": place(app) },
            "spec": {
                "destination": { "kind": "ServiceAccount", "name": account(name, app), "namespace": place(app) },
                "rules": [{ "kind": "TCPRoute", "name": "everything" }],
                "sources": sources,
            },
        }));
    }
    objects
}

/// Adds the fields of one map to another.
fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
