//! A mesh of two clusters beside one of one: what is imported from both at a time, and from one to the other.

use std::process::ExitCode;

use isthmus_tests::{kubectl, trials};
use libtest_mimic::Arguments;

#[allow(dead_code, reason = "the tests of two meshes use all of it")]
#[path = "../federation/load.rs"]
mod load;
#[allow(dead_code, reason = "the tests of two meshes use all of it")]
#[path = "../federation/manifest.rs"]
mod manifest;
mod merged;
#[path = "../federation/pod.rs"]
mod pod;
mod rotation;
mod scene;
mod siblings;
#[allow(dead_code, reason = "the tests of two meshes use all of it")]
#[path = "../federation/watch.rs"]
mod watch;

use scene::Scene;

/// A test's body.
type Body = trials::Body<Scene>;

/// Name and body of every test.
const ALL: &[(&str, Body)] = &[
    ("an_import_is_balanced_over_all_clusters_and_outlives_one", merged::outlives_a_cluster),
    ("a_conflict_is_shown_on_all_sides_and_the_oldest_export_counts", merged::conflict),
    ("clusters_of_one_mesh_import_from_each_other", siblings::import),
    ("the_root_is_rotated_in_all_clusters_and_waits_for_each", rotation::in_all_clusters),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each changes what all clusters share.
    arguments.test_threads = Some(1);
    let possible = || kubectl::find_for("all tests of meshes of several clusters").is_some();
    trials::run(&arguments, ALL.iter().copied(), possible, Scene::set)
}
