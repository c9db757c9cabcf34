//! Our own metrics and what the rules record of them.

use std::time::Duration;

use isthmus_tests::wait::until;

use crate::scene::Scene;

/// flaky: 30 ok, 20 slow, 10 failed, 10 of the split, 1 to begin with.
pub(crate) fn known_figures(scene: &Scene) -> anyhow::Result<()> {
    let figures = [
        ("isthmus_inbound_requests_total{destination_workload=\"flaky\"}", 71.0),
        ("isthmus_inbound_requests_total{destination_workload=\"flaky\",class=\"5xx\"}", 10.0),
        ("isthmus_inbound_responses_total{destination_workload=\"flaky\",classification=\"success\"}", 61.0),
        ("isthmus_inbound_responses_total{destination_workload=\"flaky\",classification=\"failure\"}", 10.0),
        (
            "isthmus_inbound_latency_seconds_count{destination_workload=\"flaky\",source_workload_kind=\"Deployment\"}",
            71.0,
        ),
        ("isthmus_inbound_requests_total{destination_workload=\"steady\",class=\"2xx\"}", 71.0),
        ("isthmus_inbound_requests_total{destination_workload=\"steady\",class=\"5xx\"}", 0.0),
        (
            "isthmus_outbound_requests_total{source_workload=\"caller\",split=\"shop/front\",backend=\"shop/steady\"}",
            30.0,
        ),
        (
            "isthmus_outbound_requests_total{source_workload=\"caller\",split=\"shop/front\",backend=\"shop/flaky\"}",
            10.0,
        ),
        (
            "isthmus_outbound_requests_total{source_workload=\"caller\",service=\"shop/flaky\",destination_workload=\"flaky\"}",
            61.0,
        ),
    ];
    for (series, asked) in figures {
        scene.prometheus.expect(&format!("sum({series})"), asked)?;
    }
    // 300 ms and what a busy machine adds: none of the slow ones is faster.
    scene.prometheus.expect("sum(isthmus_inbound_latency_seconds_count{destination_workload=\"flaky\"}) - sum(isthmus_inbound_latency_seconds_bucket{destination_workload=\"flaky\",le=\"0.25\"}) >= bool 20", 1.0)
}

pub(crate) fn recorded(scene: &Scene) -> anyhow::Result<()> {
    let ratio =
        |workload: &str| format!("workload:isthmus_inbound_success:ratio5m{{destination_workload=\"{workload}\"}}");
    let share = |backend: &str| format!("split:isthmus_outbound_requests:rate5m{{backend=\"shop/{backend}\"}}");
    until("the rules have been evaluated", Duration::from_secs(30), || {
        scene.prometheus.expect_about(&ratio("flaky"), 60.0 / 70.0, 0.01)?;
        scene.prometheus.expect(&ratio("steady"), 1.0)?;
        // Three to one: what comes behind each series' first sample is, too.
        scene.prometheus.expect_about(&format!("{} / on () {}", share("steady"), share("flaky")), 3.0, 0.5)
    })
}
