//! System tests: one cluster, many tests, each in namespaces of its own.

use std::{process::ExitCode, sync::Arc};

use isthmus_tests::{cluster::Cluster, kubectl};
use libtest_mimic::{Arguments, Failed, Trial};

mod apps;
mod conformance;
mod demo;
mod denial;
mod meshes;
mod migrate;
mod resilience;
mod trust;
mod views;

/// A test's body.
type Body = fn(&Cluster) -> anyhow::Result<()>;

/// Name and body of every test.
fn all() -> Vec<(&'static str, Body)> {
    [
        conformance::tests(),
        trust::tests(),
        resilience::tests(),
        demo::tests(),
        denial::tests(),
        meshes::tests(),
        views::tests(),
        migrate::tests(),
    ]
    .concat()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests = all();
    if arguments.list {
        return run(&arguments, &tests, None);
    }
    if kubectl::find_for("all system tests").is_none() {
        return ExitCode::SUCCESS;
    }
    match Cluster::up("system-tests", &[]) {
        Ok(cluster) => run(&arguments, &tests, Some(Arc::new(cluster))),
        Err(error) => {
            println!("no cluster to test on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, tests: &[(&'static str, Body)], cluster: Option<Arc<Cluster>>) -> ExitCode {
    let trial = |(name, body): &(&'static str, Body)| {
        let (body, cluster) = (*body, cluster.clone());
        Trial::test(*name, move || match &cluster {
            Some(cluster) => body(cluster).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        })
    };
    // The trials hold the cluster: it goes down when the last has run and this function's own handle is dropped.
    libtest_mimic::run(arguments, tests.iter().map(trial).collect()).exit_code()
}
