//! What the proxies of a stage say of themselves.

use anyhow::Context;
use isthmus_tests::{http, kubectl::PortForward, wait::expect_eq};
use serde_json::Value;

use crate::stage::Stage;

/// Port of a proxy's admin server.
const ADMIN_PORT: u16 = 15020;
/// The file in which a proxy keeps the roots that it trusts.
const ROOTS: &str = "/var/lib/isthmus/roots";

/// One pod's proxy.
pub(crate) struct Proxy<'a> {
    pub(crate) pod: String,
    stage: &'a Stage<'a>,
    admin: PortForward,
}

/// Those of all pods that there are now.
pub(crate) fn all<'a>(stage: &'a Stage<'a>) -> anyhow::Result<Vec<Proxy<'a>>> {
    let pods: Value = serde_json::from_str(&stage.kubectl(&["get", "pods", "-o", "json"])?)?;
    let pods = pods.get("items").and_then(Value::as_array).context("no pods")?;
    let proxy = |pod: &Value| {
        let pod = pod.pointer("/metadata/name").and_then(Value::as_str).context("a pod has no name")?.to_owned();
        let admin = stage.cluster.kubectl.port_forward(stage.namespace, &format!("pod/{pod}"), ADMIN_PORT)?;
        Ok(Proxy { pod, stage, admin })
    };
    pods.iter().map(proxy).collect()
}

impl Proxy<'_> {
    /// The value of a series, as it is written in the metrics; one that isn't there is 0.
    pub(crate) fn metric(&self, series: &str) -> anyhow::Result<u64> {
        let answer = http::send(self.admin.port, http::request("GET", "/metrics"))?;
        expect_eq("GET /metrics", answer.status().as_u16(), 200)?;
        let value = answer.body().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or("0").parse().with_context(|| format!("{}: {series}", self.pod))
    }

    /// Certificates that it has had.
    pub(crate) fn certificates(&self) -> anyhow::Result<u64> {
        self.metric("isthmus_certificate_requests_total{outcome=\"ok\"}")
    }

    /// No mesh TLS handshake has failed, not even one whose request was then sent elsewhere.
    pub(crate) fn expect_no_failed_handshake(&self) -> anyhow::Result<()> {
        for direction in ["inbound", "outbound"] {
            let series = format!("isthmus_tls_handshakes_total{{direction=\"{direction}\",outcome=\"failed\"}}");
            expect_eq(&format!("{}: {series}", self.pod), self.metric(&series)?, 0)?;
        }
        Ok(())
    }

    /// The roots that it trusts, as it has saved them.
    pub(crate) fn roots(&self) -> anyhow::Result<String> {
        self.stage.kubectl(&["exec", &self.pod, "-c", "isthmus-proxy", "--", "cat", ROOTS])
    }
}
