//! A real Prometheus scrapes a cluster under a known load: N requests, M failures, known delays. What it says, what Flagger would ask
//! it, and TrafficMetrics by both sources are the known figures.

use std::{process::ExitCode, sync::Arc};

use isthmus_tests::{kubectl, left_out, software};
use libtest_mimic::{Arguments, Failed, Trial};

mod flagger;
mod lint;
mod manifest;
mod native;
mod scene;
mod sources;

use scene::Scene;

/// A test's body.
type Body = fn(&Scene) -> anyhow::Result<()>;

/// They only look at what the scene has done.
const ALL: &[(&str, Body)] = &[
    ("native_metrics_are_the_known_figures", native::known_figures),
    ("recording_rules_are_the_known_figures", native::recorded),
    ("flaggers_built_in_queries_return_the_known_figures", flagger::known_figures),
    ("no_error_is_a_number", flagger::no_errors),
    ("both_sources_of_traffic_metrics_say_the_same", sources::side_by_side),
    ("promtool_finds_nothing_in_metrics", lint::clean),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        return run(&arguments, None);
    }
    if kubectl::find_for("all tests of telemetry").is_none() {
        return ExitCode::SUCCESS;
    }
    for program in ["prometheus", "promtool", "python3"] {
        if let Err(missing) = software::check(program) {
            left_out::say("all tests of telemetry", &missing.why, &missing.remedy);
            return ExitCode::SUCCESS;
        }
    }
    match Scene::set() {
        Ok(scene) => run(&arguments, Some(Arc::new(scene))),
        Err(error) => {
            println!("no telemetry to look at: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, scene: Option<Arc<Scene>>) -> ExitCode {
    let trial = |(name, body): &(&'static str, Body)| {
        let (body, scene) = (*body, scene.clone());
        Trial::test(*name, move || match &scene {
            Some(scene) => body(scene).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        })
    };
    // The trials hold the cluster: it goes down when the last has run and this function's own handle is dropped.
    libtest_mimic::run(arguments, ALL.iter().map(trial).collect()).exit_code()
}
