//! What a sidecar is told of traces.

use std::path::PathBuf;

use clap::Args;
use isthmus_core::trace::{Collector, Format, Protocol, Ratio};
use isthmus_proxy::trace::{Roots, Settings};

use crate::args::Usage;

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// Collector that spans are sent to by OTLP, such as http://otel-collector.observability:4317; without one nothing is traced
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    trace_endpoint: Option<String>,
    /// How: grpc, or http/protobuf
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", default_value = "grpc")]
    trace_protocol: Protocol,
    /// Share of the traces that begin here which is recorded, 0 to 1
    #[arg(long, env = "ISTHMUS_TRACE_SAMPLING", default_value = "0.01")]
    trace_sampling: Ratio,
    /// Headers that are always written, beside those that came in: tracecontext, b3, b3multi, jaeger
    #[arg(long, env = "ISTHMUS_TRACE_PROPAGATORS", value_delimiter = ',', default_value = "tracecontext")]
    trace_propagators: Vec<Format>,
    /// File with headers for the collector, one `name: value` a line
    #[arg(long, env = "ISTHMUS_TRACE_HEADERS_FILE", value_name = "FILE")]
    trace_headers_file: Option<PathBuf>,
    /// Roots of the collector's certificate, PEM; the system's by default
    #[arg(long, env = "OTEL_EXPORTER_OTLP_CERTIFICATE", value_name = "FILE")]
    trace_ca_file: Option<PathBuf>,
    /// The same, and not as a file: as the controller hands it over
    #[arg(long, env = "ISTHMUS_TRACE_CA", value_name = "PEM", hide = true, conflicts_with = "trace_ca_file")]
    trace_ca: Option<String>,
}

impl TraceArgs {
    /// `None`: nothing is traced.
    pub(crate) fn settings(&self) -> anyhow::Result<Option<Settings>> {
        let Some(url) = self.trace_endpoint.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let collector = Collector::new(url, self.trace_protocol);
        let collector = collector.map_err(|error| Usage(anyhow::anyhow!("--trace-endpoint: {error}")))?;
        Ok(Some(Settings {
            sampling: self.trace_sampling,
            formats: self.trace_propagators.iter().copied().collect(),
            headers_file: self.trace_headers_file.clone(),
            roots: self.trace_ca_file.clone().map(Roots::File).or_else(|| self.trace_ca.clone().map(Roots::Pem)),
            ..Settings::new(collector)
        }))
    }
}
