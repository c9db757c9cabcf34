//! Where a mesh's sidecars send traces: what the controller is told, and whoever starts one.

use clap::Args;
use isthmus_core::trace::{Collector, Protocol, Ratio};
use isthmus_smi_controller::Traces;

use crate::args::Usage;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TracesArgs {
    /// Collector that sidecars send traces to by OTLP, such as http://otel-collector.observability:4317
    #[arg(long, env = "ISTHMUS_PROXY_TRACE_ENDPOINT", value_name = "URL")]
    trace_endpoint: Option<String>,
    /// How they do: grpc, or http/protobuf [default: grpc]
    #[arg(long, env = "ISTHMUS_PROXY_TRACE_PROTOCOL", value_name = "PROTOCOL")]
    trace_protocol: Option<Protocol>,
    /// Share of the traces that is recorded, 0 to 1 [default: 0.01]
    #[arg(long, env = "ISTHMUS_PROXY_TRACE_SAMPLING", value_name = "SHARE")]
    trace_sampling: Option<Ratio>,
}

impl TracesArgs {
    pub(crate) fn traces(&self) -> anyhow::Result<Traces> {
        if let Some(url) = &self.trace_endpoint {
            let checked = Collector::new(url, self.trace_protocol.unwrap_or_default());
            checked.map_err(|error| Usage(anyhow::anyhow!("--trace-endpoint: {error}")))?;
        }
        let (endpoint, protocol) = (self.trace_endpoint.clone(), self.trace_protocol);
        Ok(Traces { endpoint, protocol, sampling: self.trace_sampling })
    }

    /// The same as arguments of another process.
    #[cfg(feature = "local")]
    pub(crate) fn to_args(&self) -> Vec<String> {
        let all = [
            ("--trace-endpoint", self.trace_endpoint.clone()),
            ("--trace-protocol", self.trace_protocol.map(|protocol| protocol.as_str().to_owned())),
            ("--trace-sampling", self.trace_sampling.map(|ratio| ratio.to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).flatten().collect()
    }
}
