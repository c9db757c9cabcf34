//! Whole clusters, driven by the real `kubectl`.
//!
//! This program is three things: the tests; the node's helper, and what runs in pods (both hidden subcommands, as in the real program);
//! and a cluster of its own process, to be killed.

#![expect(clippy::expect_used, reason = "a test program may end so")]

mod balancers;
mod child;
mod gone;
mod kubectl;
mod others;
mod programs;
mod workloads;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isthmus_local::{Cluster, ClusterConfig, Images};
use libtest_mimic::{Arguments, Failed, Trial};

/// The names of hidden subcommands.
const HELPER: &str = "pod-helper";
const CLUSTER: &str = "run-cluster";
/// How long anything may take before a test gives up.
const LIMIT: Duration = Duration::from_secs(60);

type Outcome = Result<(), Failed>;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_ref().and_then(|arg| arg.to_str()) {
        Some(HELPER) => return isthmus_local_node::helper_main(args),
        Some(CLUSTER) => return child::main(args),
        Some(program) if programs::NAMES.contains(&program) => return programs::main(program, args),
        _ => {}
    }
    let arguments = Arguments::from_args();
    if let Err(error) = isthmus_local_node::enter_user_namespace_if_needed() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let runtime = Arc::new(tokio::runtime::Runtime::new().expect("a runtime"));
    let mut trials = Vec::new();
    let mut add = |name: &str, test: fn() -> futures::future::BoxFuture<'static, Outcome>| {
        let runtime = runtime.clone();
        trials.push(Trial::test(name, move || runtime.block_on(test())));
    };
    if isthmus_tests::kubectl::find_for("every test of crates/local that runs kubectl").is_some() {
        add("a_deployment_from_its_first_pod_to_its_last", || Box::pin(workloads::deployment()));
        add("a_stateful_set_keeps_names_and_order", || Box::pin(others::stateful_set()));
        add("a_daemon_set_and_a_replication_controller", || Box::pin(others::daemon_set_and_replication_controller()));
        add("jobs_run_to_their_end", || Box::pin(others::jobs()));
        add("logs_exec_and_port_forward", || Box::pin(workloads::streams()));
        add("services_have_names_and_addresses_in_pods", || Box::pin(workloads::services()));
        add("a_balancer_has_its_address_while_it_lives", || Box::pin(balancers::lifetime()));
        add("joined_clusters_reach_each_others_balancers", || Box::pin(balancers::joined()));
        add("what_is_owned_goes_with_its_owner", || Box::pin(workloads::ownership()));
        add("a_namespace_takes_all_with_it", || Box::pin(workloads::namespace()));
        add("clusters_run_side_by_side", || Box::pin(workloads::side_by_side()));
        add("a_killed_cluster_leaves_nothing_and_its_data_stays", || Box::pin(gone::killed()));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// `test/<program>`: this very program.
struct TestImages;

impl Images for TestImages {
    fn command(&self, image: &str) -> Option<Vec<OsString>> {
        let program = image.strip_prefix("test/").filter(|program| programs::NAMES.contains(program))?;
        Some(vec![this_program(), program.into()])
    }
}

fn this_program() -> OsString {
    std::env::current_exe().expect("this program's path").into()
}

fn config(name: &str, index: u8, state: &std::path::Path) -> ClusterConfig {
    ClusterConfig {
        index,
        state_dir: Some(state.join(name)),
        progress: Arc::new(|step, took| eprintln!("  {step}: {} ms", took.as_millis())),
        ..ClusterConfig::new(name, Arc::new(TestImages), vec![this_program(), HELPER.into()])
    }
}

/// A cluster for one test; numbers keep the networks of tests that run at the same time apart.
async fn with_cluster<F>(name: &str, index: u8, test: impl FnOnce(Arc<Cluster>) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    let state = tempfile::tempdir()?;
    let cluster = Arc::new(Cluster::start(config(name, index, state.path())).await?);
    let outcome = test(cluster.clone()).await;
    if outcome.is_err() {
        for what in ["get all,endpointslices -A -o wide", "get events -A", "get pods -A -o yaml"] {
            let shown = kubectl::run(&cluster, &what.split(' ').collect::<Vec<_>>()).await;
            eprintln!("--- kubectl {what}\n{}", shown.unwrap_or_default());
        }
    }
    if let Some(cluster) = Arc::into_inner(cluster) {
        let begun = Instant::now();
        cluster.shutdown(Duration::from_secs(5)).await;
        eprintln!("  stopped: {} ms", begun.elapsed().as_millis());
    }
    outcome
}

/// Asks until the answer is yes.
async fn until<F>(what: &str, ask: impl Fn() -> F) -> Outcome
where
    F: Future<Output = Result<bool, Failed>>,
{
    let begun = Instant::now();
    let mut last = None;
    while begun.elapsed() < LIMIT {
        match ask().await {
            Ok(true) => return Ok(()),
            Ok(false) => last = None,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("not within {LIMIT:?}: {what} ({last:?})").into())
}

fn same(what: &str, found: &str, wanted: &str) -> Outcome {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found:?} instead of {wanted:?}").into()) }
}
