//! Where TrafficMetrics come from.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use isthmus_smi_controller::{PrometheusConfig, PrometheusUrl};

#[derive(Debug, Args)]
pub(super) struct PrometheusArgs {
    /// Prometheus server to ask for TrafficMetrics [default: what the proxies report to the controller]
    #[arg(long, env = "ISTHMUS_PROMETHEUS_URL", help_heading = "TrafficMetrics")]
    prometheus_url: Option<PrometheusUrl>,
    /// Certificates of the authorities that it is known by, PEM [default: those of the system]
    #[arg(long, env = "ISTHMUS_PROMETHEUS_CA", requires = "prometheus_url", help_heading = "TrafficMetrics")]
    prometheus_ca: Option<PathBuf>,
    /// File with a bearer token for it, read for each question
    #[arg(long, env = "ISTHMUS_PROMETHEUS_TOKEN_FILE", requires = "prometheus_url", help_heading = "TrafficMetrics")]
    prometheus_token_file: Option<PathBuf>,
    /// Seconds that it may take to answer
    #[arg(long, env = "ISTHMUS_PROMETHEUS_TIMEOUT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60), help_heading = "TrafficMetrics")]
    prometheus_timeout: u64,
}

impl From<PrometheusArgs> for Option<PrometheusConfig> {
    fn from(args: PrometheusArgs) -> Self {
        args.prometheus_url.map(|url| PrometheusConfig {
            url,
            ca: args.prometheus_ca,
            token_file: args.prometheus_token_file,
            timeout: Duration::from_secs(args.prometheus_timeout),
        })
    }
}
