//! Where a mesh's sidecars send traces: what the controller is told, and whoever starts one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use isthmus_core::trace::{Collector, Protocol, Ratio};
use isthmus_smi_controller::{SecretName, Traces};

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
    /// Roots of the collector's certificate, PEM; a sidecar takes its system's by default
    #[arg(long, env = "ISTHMUS_PROXY_TRACE_CA_FILE", value_name = "FILE")]
    trace_ca_file: Option<PathBuf>,
    /// The same, and not as a file: as `isthmus up` hands it over
    #[arg(long, env = "ISTHMUS_PROXY_TRACE_CA", value_name = "PEM", hide = true, conflicts_with = "trace_ca_file")]
    trace_ca: Option<String>,
    /// Secret in the namespace of each pod whose key `headers` has headers for the collector, one `name: value` a line
    #[arg(long, env = "ISTHMUS_PROXY_TRACE_HEADERS_SECRET", value_name = "NAME")]
    trace_headers_secret: Option<SecretName>,
}

impl TracesArgs {
    pub(crate) fn traces(&self) -> anyhow::Result<Traces> {
        if let Some(url) = &self.trace_endpoint {
            let checked = Collector::new(url, self.trace_protocol.unwrap_or_default());
            checked.map_err(|error| Usage(anyhow::anyhow!("--trace-endpoint: {error}")))?;
        }
        let (endpoint, protocol) = (self.trace_endpoint.clone(), self.trace_protocol);
        let roots = match &self.trace_ca_file {
            Some(file) => Some(roots(file).map_err(|error| Usage(error.context("--trace-ca-file")))?),
            None => self.trace_ca.clone(),
        };
        let headers_secret = self.trace_headers_secret.clone();
        Ok(Traces { endpoint, protocol, sampling: self.trace_sampling, roots, headers_secret })
    }

    /// The same as arguments of another process.
    #[cfg(feature = "local")]
    pub(crate) fn to_args(&self) -> Vec<String> {
        let all = [
            ("--trace-endpoint", self.trace_endpoint.clone()),
            ("--trace-protocol", self.trace_protocol.map(|protocol| protocol.as_str().to_owned())),
            ("--trace-sampling", self.trace_sampling.map(|ratio| ratio.to_string())),
            ("--trace-ca-file", self.trace_ca_file.as_ref().map(|file| file.display().to_string())),
            ("--trace-headers-secret", self.trace_headers_secret.as_ref().map(|name| name.as_str().to_owned())),
        ];
        all.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).flatten().collect()
    }
}

/// The certificates of a file, and nothing else that may be in it.
fn roots(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let roots: String = certificates(&text).collect();
    anyhow::ensure!(!roots.is_empty(), "{}: it holds no certificate as PEM", file.display());
    Ok(roots)
}

/// Every sidecar is handed these: a key that lies beside them is not for it.
fn certificates(text: &str) -> impl Iterator<Item = String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let parts = text.split(BEGIN).skip(1);
    parts.filter_map(|part| part.split_once(END)).map(|(body, _)| format!("{BEGIN}{body}{END}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_beside_the_roots_is_handed_to_nobody() {
        let one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let two = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";
        let file =
            format!("# the collector's\n{one}-----BEGIN PRIVATE KEY-----\nCCCC\n-----END PRIVATE KEY-----\n{two}");
        assert_eq!(certificates(&file).collect::<String>(), format!("{one}{two}"));
        assert_eq!(certificates("nonsense").count(), 0);
    }
}
