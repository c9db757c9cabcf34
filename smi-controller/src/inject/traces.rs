//! Where a sidecar sends traces: the mesh's collector, or the pod's own.

use serde_json::Value;

use crate::{
    annotations::{NOWHERE, TRACE_ENDPOINT, TRACE_PROTOCOL, read},
    config::Traces,
};

impl Traces {
    /// The sidecar's environment. A pod that names a collector of its own says how it is spoken to as well.
    pub(super) fn env(&self, pod: &Value) -> impl Iterator<Item = (&'static str, String)> {
        let own = read(pod, TRACE_ENDPOINT);
        let endpoint = own.map(str::to_owned).or_else(|| self.endpoint.clone()).filter(|url| url != NOWHERE);
        let protocol = read(pod, TRACE_PROTOCOL).map(str::to_owned);
        let meshs = || self.protocol.filter(|_| own.is_none()).map(|protocol| protocol.as_str().to_owned());
        let protocol = protocol.or_else(meshs);
        let sampling = self.sampling.map(|ratio| ratio.to_string());
        let all = endpoint.map(|endpoint| {
            [
                Some(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)),
                protocol.map(|protocol| ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)),
                sampling.map(|sampling| ("ISTHMUS_TRACE_SAMPLING", sampling)),
            ]
        });
        all.into_iter().flatten().flatten()
    }
}
