//! A real Prometheus scrapes a cluster under a known load: N requests, M failures, known delays. What it says, what Flagger would ask
//! it, and TrafficMetrics by both sources are the known figures.

use std::process::ExitCode;

use isthmus_tests::{kubectl, left_out, software, trials};
use libtest_mimic::Arguments;

mod flagger;
mod lint;
mod manifest;
mod native;
mod paths;
mod scene;
mod sources;
mod traces;

use scene::Scene;

/// A test's body.
type Body = trials::Body<Scene>;

/// They only look at what the scene has done.
const ALL: &[(&str, Body)] = &[
    ("native_metrics_are_the_known_figures", native::known_figures),
    ("recording_rules_are_the_known_figures", native::recorded),
    ("flaggers_built_in_queries_return_the_known_figures", flagger::known_figures),
    ("no_error_is_a_number", flagger::no_errors),
    ("both_sources_of_traffic_metrics_say_the_same", sources::side_by_side),
    ("promtool_finds_nothing_in_metrics", lint::clean),
    ("kubectl_reads_every_path", paths::every_one),
    ("kubectl_discovers_all_resources", paths::discovered),
    ("kubectl_shows_tables_and_sorts_them", paths::tables),
    ("a_splits_root_is_told_by_its_clients", paths::a_splits_root),
    ("spans_reach_a_collector_that_wants_tls_and_a_token", traces::by_tls_with_a_token),
];

fn main() -> ExitCode {
    trials::run(&Arguments::from_args(), ALL.iter().copied(), is_possible, Scene::set)
}

fn is_possible() -> bool {
    const WHAT: &str = "all tests of telemetry";
    let missing = ["prometheus", "promtool", "python3"].into_iter().find_map(|program| software::check(program).err());
    if let Some(missing) = &missing {
        left_out::say(WHAT, &missing.why, &missing.remedy);
    }
    kubectl::find_for(WHAT).is_some() && missing.is_none()
}
