//! Real clients talk to real servers through the mesh, unchanged and without configuration: only a grant is needed.
//!
//! One cluster, one namespace for each server; its clients run in another pod, and both pods have sidecars.

use std::process::ExitCode;

use isthmus_tests::{cluster::Cluster, kubectl, left_out, trials};
use libtest_mimic::Arguments;

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
    let possible = || kubectl::find_for("all interop tests").is_some();
    let tests = ALL.map(|test| (test.name, move |cluster: &Cluster| run(&test, cluster)));
    trials::run(&Arguments::from_args(), tests, possible, || Cluster::up("interop-tests", &[]))
}

fn run(test: &Interop, cluster: &Cluster) -> anyhow::Result<()> {
    if let Err(missing) = software::check(test.needs) {
        left_out::say(&format!("interop: {}", test.name), &missing.why, &missing.remedy);
        return Ok(());
    }
    (test.body)(cluster)
}
