//! System tests: one cluster, many tests, each in namespaces of its own.

use std::process::ExitCode;

use isthmus_tests::{cluster::Cluster, kubectl, trials};
use libtest_mimic::Arguments;

mod apps;
mod conformance;
mod demo;
mod denial;
mod log_level;
mod meshes;
mod migrate;
mod resilience;
mod suite;
mod trust;
mod versions;
mod views;

/// A test's body.
type Body = trials::Body<Cluster>;

/// Name and body of every test.
fn all() -> Vec<(&'static str, Body)> {
    [
        conformance::tests(),
        trust::tests(),
        resilience::tests(),
        demo::tests(),
        suite::tests(),
        denial::tests(),
        meshes::tests(),
        versions::tests(),
        views::tests(),
        migrate::tests(),
        log_level::tests(),
    ]
    .concat()
}

fn main() -> ExitCode {
    let possible = || kubectl::find_for("all system tests").is_some();
    trials::run(&Arguments::from_args(), all(), possible, || Cluster::up("system-tests", &[]))
}
