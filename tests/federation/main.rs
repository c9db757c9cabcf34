//! Two meshes with a root, a policy and a cluster of their own, joined: what each sees of the other, and what holds when parts are away.
//!
//! One pair of clusters, one test at a time.

use std::process::ExitCode;

use isthmus_tests::{kubectl, trials};
use libtest_mimic::Arguments;

mod apart;
mod away;
mod gateways;
mod link;
mod load;
mod manifest;
mod matrix;
mod metrics;
mod pod;
mod replicas;
mod scene;
mod skew;
mod stakes;
mod suite;
mod traces;
mod traffic;
mod watch;

use scene::Scene;

/// A test's body.
type Body = trials::Body<Scene>;

/// Name and body of every test.
const ALL: &[(&str, Body)] = &[
    ("no_pod_or_service_of_another_mesh_is_reached_but_what_has_an_address_for_it", apart::run),
    ("stake_2_one_time_token_and_no_kubeconfig", stakes::joining::by_one_token),
    ("stake_1_own_roots_bound_to_their_trust_domains", stakes::roots::bound_to_their_domains),
    ("stake_3_export_and_import_are_both_explicit", stakes::sharing::by_export_and_import),
    ("stake_4_callers_own_identity_end_to_end", stakes::calls::identity_of_the_caller),
    ("stake_9_name_conflict_has_a_rule_and_a_condition", stakes::sharing::name_conflict),
    ("stake_10_check_from_both_sides", stakes::check::from_both_sides),
    ("stake_8_two_gateways_balanced_by_remote_endpoints", stakes::calls::balanced_over_remote_endpoints),
    ("stake_5_bounded_staleness_with_visible_state", stakes::staleness::bounded_and_visible),
    ("conformance_cases_of_federation_pass_and_leave_nothing", suite::passes_and_leaves_nothing),
    ("a_cross_mesh_edge_is_seen_from_both_meshes", traffic::one_edge_from_both_sides),
    ("an_edge_over_the_border_is_told_alike_by_both_sources", metrics::one_edge_by_both_sources),
    ("promtool_finds_nothing_in_metrics_of_gateways_and_hub", metrics::nothing_is_wrong),
    ("a_request_over_two_meshes_is_one_tree_of_spans", traces::one_tree_a_request),
    ("failure_hub_down", matrix::hub::down_and_back_empty),
    ("failure_hub_restarted_empty", matrix::hub::restarted_empty),
    ("failure_hub_cut_from_a_member", matrix::hub::cut_from_a_member),
    ("failure_one_of_two_gateways_killed", matrix::gateways::one_of_two_killed),
    ("failure_gateways_cut_from_each_other", matrix::gateways::cut_from_each_other),
    ("failure_gateway_address_changed", matrix::addresses::changed),
    ("failure_gateway_name_changed_and_lost", matrix::addresses::renamed),
    ("failure_delay_of_50_ms", matrix::network::delay),
    ("failure_loss_of_1_percent", matrix::network::loss),
    ("failure_clocks_5_minutes_apart", matrix::clocks::five_minutes_apart),
    ("stake_6_root_rotated_under_load_with_no_restart", stakes::roots::rotated_under_load),
    ("a_tap_sees_the_pods_of_both_replicas", replicas::tap_for_each_other),
    ("two_replicas_of_the_controller_count_all_proxies", replicas::count_all_proxies),
    ("stake_7_revoked_in_one_command", stakes::joining::revoked_by_one_command),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each changes what both clusters share.
    arguments.test_threads = Some(1);
    let possible = || kubectl::find_for("all tests of joined meshes").is_some();
    trials::run(&arguments, ALL.iter().copied(), possible, Scene::set)
}
