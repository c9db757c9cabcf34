//! `isthmus conformance run` on a fresh cluster: what it is asked for passes, and nothing is left behind. The whole suite takes
//! minutes, and is run by that very command; its report is in docs/conformance.md.

use isthmus_tests::{cluster::Cluster, suite};

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![("conformance_run_passes_and_leaves_nothing", passes as super::Body)]
}

/// Some of what the specification demands, of each of its parts.
const CASES: [&str; 4] =
    ["access-targets-add-up", "access-namespace-of-source", "specs-headers-all", "split-weights-shift"];

fn passes(_: &Cluster) -> anyhow::Result<()> {
    // Of its own: on the shared one, other tests take the controller down.
    let cluster = Cluster::up("conformance", &[])?;
    let kubeconfig = cluster.kubectl.kubeconfig().to_string_lossy().into_owned();
    suite::passes(&mut cluster.isthmus(), &["--kubeconfig", &kubeconfig], &CASES)?;
    suite::leaves_nothing(&cluster.kubectl)
}
