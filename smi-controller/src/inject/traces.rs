//! Where a sidecar sends traces: the mesh's collector, or the pod's own.

use serde_json::{Value, json};

use crate::{
    annotations::{NOWHERE, TRACE_ENDPOINT, TRACE_HEADERS_SECRET, TRACE_PROTOCOL, read},
    config::{SecretName, Traces},
};

/// Where the Secret with headers for the collector is mounted, its volume, and its key.
const FOLDER: &str = "/var/run/secrets/isthmus-traces";
const VOLUME: &str = "isthmus-trace-headers";
const KEY: &str = "headers";

/// What a sidecar is told of it, and given.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) env: Vec<(&'static str, String)>,
    pub(super) volume: Option<Value>,
    pub(super) mount: Option<Value>,
}

impl Traces {
    /// A pod that names a collector of its own says how it is spoken to as well: what belongs to the mesh's, the headers above all,
    /// is for the mesh's alone.
    pub(super) fn told(&self, pod: &Value) -> Told {
        let own = read(pod, TRACE_ENDPOINT);
        let meshs = if own.is_none() { self } else { &Self::default() };
        let Some(endpoint) = own.or(meshs.endpoint.as_deref()).filter(|url| *url != NOWHERE) else {
            return Told::default();
        };
        let protocol = read(pod, TRACE_PROTOCOL).or_else(|| meshs.protocol.map(|protocol| protocol.as_str()));
        let secret = read(pod, TRACE_HEADERS_SECRET).or_else(|| meshs.headers_secret.as_ref().map(SecretName::as_str));
        let env = [
            Some(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned())),
            protocol.map(|protocol| ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned())),
            self.sampling.map(|sampling| ("ISTHMUS_TRACE_SAMPLING", sampling.to_string())),
            meshs.roots.clone().map(|pem| ("ISTHMUS_TRACE_CA", pem)),
            secret.map(|_| ("ISTHMUS_TRACE_HEADERS_FILE", format!("{FOLDER}/{KEY}"))),
        ];
        Told {
            env: env.into_iter().flatten().collect(),
            // A namespace that hasn't got it loses spans, and no pod.
            volume: secret.map(|name| {
                let items = json!([{ "key": KEY, "path": KEY }]);
                json!({ "name": VOLUME, "secret": { "secretName": name, "optional": true, "items": items } })
            }),
            mount: secret.map(|_| json!({ "name": VOLUME, "mountPath": FOLDER, "readOnly": true })),
        }
    }
}
