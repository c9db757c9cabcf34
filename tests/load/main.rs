//! Traffic under change: a steady load goes on while something happens, and not one request may fail.
//!
//! One cluster, one test at a time, each in a namespace of its own with callers and callees of its own.

use std::process::ExitCode;

use isthmus_tests::{cluster::Cluster, kubectl, trials};
use libtest_mimic::Arguments;

mod argo;
mod callees;
mod callers;
mod clients;
mod controller;
mod flagger;
mod late;
mod leaves;
mod manifest;
mod proxies;
mod root;
mod scale;
mod stage;
mod weights;

/// A test's body.
type Body = trials::Body<Cluster>;

/// Name and body of every test.
const ALL: &[(&str, Body)] = &[
    ("weights_change_a_hundred_times", weights::run),
    ("endpoints_come_and_go", scale::run),
    ("callees_are_restarted_one_by_one", callees::run),
    ("callers_are_restarted_one_by_one", callers::run),
    ("the_controller_is_killed_and_comes_back", controller::run),
    ("a_proxy_started_without_a_controller_is_ready_when_it_returns", late::run),
    ("argo_rollouts_promotes_and_the_old_version_hears_nothing", argo::run),
    ("flagger_initialises_promotes_and_rolls_back", flagger::run),
    ("the_root_is_rotated", root::run),
    ("leaves_are_rotated_every_few_seconds", leaves::run),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test's load is as much as two slow processors carry.
    arguments.test_threads = Some(1);
    let possible = || kubectl::find_for("all tests of traffic under change").is_some();
    trials::run(&arguments, ALL.iter().copied(), possible, || Cluster::up("load-tests", &[]))
}
