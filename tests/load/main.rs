//! Traffic under change: a steady load goes on while something happens, and not one request may fail.
//!
//! One cluster, one test at a time, each in a namespace of its own with callers and callees of its own.

use std::{process::ExitCode, sync::Arc};

use isthmus_tests::{cluster::Cluster, kubectl};
use libtest_mimic::{Arguments, Failed, Trial};

mod callees;
mod callers;
mod controller;
mod late;
mod leaves;
mod manifest;
mod proxies;
mod root;
mod scale;
mod stage;
mod weights;

/// A test's body.
type Body = fn(&Cluster) -> anyhow::Result<()>;

/// Name and body of every test.
const ALL: &[(&str, Body)] = &[
    ("weights_change_a_hundred_times", weights::run),
    ("endpoints_come_and_go", scale::run),
    ("callees_are_restarted_one_by_one", callees::run),
    ("callers_are_restarted_one_by_one", callers::run),
    ("the_controller_is_killed_and_comes_back", controller::run),
    ("a_proxy_started_without_a_controller_is_ready_when_it_returns", late::run),
    ("the_root_is_rotated", root::run),
    ("leaves_are_rotated_every_few_seconds", leaves::run),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test's load is as much as two slow processors carry.
    arguments.test_threads = Some(1);
    if arguments.list {
        return run(&arguments, None);
    }
    if kubectl::find_for("all tests of traffic under change").is_none() {
        return ExitCode::SUCCESS;
    }
    match Cluster::up("load-tests", &[]) {
        Ok(cluster) => run(&arguments, Some(Arc::new(cluster))),
        Err(error) => {
            println!("no cluster to test on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, cluster: Option<Arc<Cluster>>) -> ExitCode {
    let trial = |(name, body): &(&'static str, Body)| {
        let (body, cluster) = (*body, cluster.clone());
        Trial::test(*name, move || match &cluster {
            Some(cluster) => body(cluster).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        })
    };
    // The trials hold the cluster: it goes down when the last has run and this function's own handle is dropped.
    libtest_mimic::run(arguments, ALL.iter().map(trial).collect()).exit_code()
}
