use std::time::Duration;

use super::{DELAY, REDIAL, Size, report::run};
use crate::limits::HEARTBEAT;

/// `cargo xtask simulate` names the size by these.
fn size_of_environment() -> Size {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text:?}")))
    };
    Size {
        meshes: number("ISTHMUS_SIMULATED_MESHES", 100),
        clusters: number("ISTHMUS_SIMULATED_CLUSTERS", 10),
        services: number("ISTHMUS_SIMULATED_SERVICES", 100),
    }
}

#[test]
fn six_meshes_come_to_agree_and_do_so_again_after_a_cut() {
    let report = run(Size { meshes: 6, clusters: 2, services: 5 });
    // A change takes one way to the hub and one from it, whatever the size.
    assert!(report.change.0 <= 4 * DELAY, "{report}");
    // Who was away dials, and tells and is told what has changed; nobody waits for a heartbeat.
    assert!(report.cut.0 <= REDIAL + 10 * DELAY, "{report}");
    assert!(report.cut.0 < HEARTBEAT + Duration::from_secs(1), "{report}");
}

#[test]
fn what_a_change_costs_does_not_grow_with_what_stays() {
    let few = run(Size { meshes: 4, clusters: 1, services: 2 });
    let many = run(Size { meshes: 4, clusters: 1, services: 60 });
    let (few, many) = (few.change.1.up, many.change.1.up);
    assert!(many < few + few / 4, "{few} bytes with 2 services, {many} with 60");
}

#[test]
fn from_nothing_each_receiver_is_sent_each_catalog_once() {
    let report = run(Size { meshes: 5, clusters: 2, services: 60 });
    let once = 2 * report.hub.1;
    assert!(report.cold.1.down < once + once / 2, "{} bytes of {once}", report.cold.1.down);
}

#[test]
#[ignore = "takes minutes and memory; `cargo xtask simulate` runs it in release"]
fn at_full_size() {
    println!("{}", run(size_of_environment()));
}
