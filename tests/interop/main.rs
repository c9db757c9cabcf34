//! Real clients talk to real servers through the mesh, unchanged and without configuration: only a grant is needed.
//!
//! One cluster, one namespace for each server; its clients run in another pod, and both pods have sidecars.

use std::{process::ExitCode, sync::Arc};

use isthmus_tests::{cluster::Cluster, kubectl, left_out};
use libtest_mimic::{Arguments, Failed, Trial};

mod case;
mod grpc;
mod mariadb;
mod memcached;
mod mosquitto;
mod nats;
mod nginx;
mod postgres;
mod redis;
mod software;
mod websocket;

/// One server with its clients.
#[derive(Debug, Clone, Copy)]
struct Interop {
    name: &'static str,
    /// Programs of [`software`] that it runs.
    needs: &'static [&'static str],
    body: fn(&Cluster) -> anyhow::Result<()>,
}

const ALL: [Interop; 9] = [
    grpc::TEST,
    mariadb::TEST,
    memcached::TEST,
    mosquitto::TEST,
    nats::TEST,
    nginx::TEST,
    postgres::TEST,
    redis::TEST,
    websocket::TEST,
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        return run(&arguments, None);
    }
    if kubectl::find_for("all interop tests").is_none() {
        return ExitCode::SUCCESS;
    }
    match Cluster::up("interop-tests", &[]) {
        Ok(cluster) => run(&arguments, Some(Arc::new(cluster))),
        Err(error) => {
            println!("no cluster to test on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, cluster: Option<Arc<Cluster>>) -> ExitCode {
    let trial = |test: Interop| {
        let cluster = cluster.clone();
        Trial::test(test.name, move || {
            if let Err(missing) = software::check(test.needs) {
                left_out::say(&format!("interop: {}", test.name), &missing.why, &missing.remedy);
                return Ok(());
            }
            match &cluster {
                Some(cluster) => (test.body)(cluster).map_err(|error| Failed::from(format!("{error:#}"))),
                None => Ok(()),
            }
        })
    };
    // The trials hold the cluster: it goes down when the last has run and this function's own handle is dropped.
    libtest_mimic::run(arguments, ALL.map(trial).into()).exit_code()
}
