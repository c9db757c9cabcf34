//! Flagger's built-in queries (reference: its observers of Linkerd, OSM and Istio): one text each for the rate of success in percent, and
//! for the 99th percentile of duration in milliseconds.

use anyhow::bail;

use crate::scene::{SHOP, Scene};

/// A provider: its two metrics, how they name a target, and what they count as success.
struct Provider {
    requests: &'static str,
    duration: &'static str,
    target: fn(&str) -> String,
    success: &'static str,
}

const PROVIDERS: [Provider; 3] = [
    Provider {
        requests: "response_total",
        duration: "response_latency_ms_bucket",
        target: |name| format!("namespace=\"{SHOP}\",deployment=~\"{name}\",direction=\"inbound\""),
        success: "classification!=\"failure\"",
    },
    Provider {
        requests: "osm_request_total",
        duration: "osm_request_duration_ms_bucket",
        target: |name| {
            format!("destination_namespace=\"{SHOP}\",destination_kind=\"Deployment\",destination_name=\"{name}\"")
        },
        success: "response_code!~\"5.*\"",
    },
    Provider {
        requests: "istio_requests_total",
        duration: "istio_request_duration_milliseconds_bucket",
        target: |name| {
            format!(
                "reporter=\"destination\",destination_workload_namespace=\"{SHOP}\",destination_workload=~\"{name}\""
            )
        },
        success: "response_code!~\"5.*\"",
    },
];

impl Provider {
    fn success_rate(&self, target: &str) -> String {
        let Self { requests, success, .. } = self;
        let target = (self.target)(target);
        format!(
            "sum( rate( {requests}{{ {target},{success} }}[5m] ) ) / sum( rate( {requests}{{ {target} }}[5m] ) ) * 100"
        )
    }

    fn p99(&self, target: &str) -> String {
        let target = (self.target)(target);
        format!("histogram_quantile( 0.99, sum( rate( {}{{ {target} }}[5m] ) ) by (le) )", self.duration)
    }
}

/// After the first request, which a rate doesn't see, 60 of 70 succeeded, and 20 took 300 ms.
pub(crate) fn known_figures(scene: &Scene) -> anyhow::Result<()> {
    for provider in &PROVIDERS {
        scene.prometheus.expect_about(&provider.success_rate("flaky"), 100.0 * 60.0 / 70.0, 1.0)?;
        let p99 = scene.prometheus.value(&provider.p99("flaky"))?;
        // 300 ms are in the bucket from 250 to 500; a busy machine may add to them.
        if !(250.0..=1000.0).contains(&p99) {
            bail!("{}: p99 is {p99} ms", provider.duration);
        }
    }
    Ok(())
}

/// No failure and no 5xx at all: 100, where a mesh without these series would give no value.
pub(crate) fn no_errors(scene: &Scene) -> anyhow::Result<()> {
    for provider in &PROVIDERS {
        scene.prometheus.expect(&provider.success_rate("steady"), 100.0)?;
        let errors =
            if provider.requests == "response_total" { "classification=\"failure\"" } else { "response_code=~\"5.*\"" };
        let target = (provider.target)("steady");
        scene.prometheus.expect(&format!("sum(rate({}{{{target},{errors}}}[5m]))", provider.requests), 0.0)?;
    }
    Ok(())
}
