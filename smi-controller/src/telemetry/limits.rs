//! The table of limits in docs/traffic-metrics.md says what the constants say, and names every one of them.

use std::collections::BTreeMap;

use super::{objects, store};
use crate::{index, replicas};

const PAGE: &str = include_str!("../../../docs/traffic-metrics.md");

/// The table's first two columns.
fn documented() -> BTreeMap<&'static str, &'static str> {
    let table = PAGE.split_once("\n## Limits\n").unwrap().1.split_once("\n\n").unwrap().0;
    let rows = table.lines().skip(2).map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    rows.map(|cells| (cells[1], cells[2])).collect()
}

/// As people write it: 1,234,567.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|part| str::from_utf8(part).unwrap()).collect();
    parts.join(",")
}

#[test]
fn the_table_of_limits_is_what_the_constants_say() {
    let of = |count: usize| number(count.try_into().unwrap());
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    let limits = [
        ("edges of a pod", of(store::MAX_EDGES_OF_ONE) + " (a proxy keeps 2,000)"),
        ("edges of a replica", of(store::MAX_EDGES)),
        (
            "memory of a replica for all edges",
            format!("{} MiB; one that never rests takes 6.5 KB", store::MAX_BYTES >> 20),
        ),
        ("edges of a report", of(store::intake::MAX_EDGES)),
        ("a count of a report", number(store::intake::MAX_COUNT)),
        ("a name in a report", of(store::intake::MAX_NAME) + " bytes of letters, digits, `-` `.` `_` `:`"),
        ("pods that are gone", of(index::MAX_GONE)),
        ("observations of another replica", of(replicas::MAX_OBSERVATIONS)),
        ("another replica's answer", seconds(replicas::LIMIT)),
        ("Kubernetes' answer which objects there are", seconds(objects::LIMIT)),
    ];
    let documented = documented();
    for (limit, value) in &limits {
        assert_eq!(documented.get(limit), Some(&&**value), "docs/traffic-metrics.md: {limit}");
    }
    assert_eq!(documented.len(), limits.len(), "{documented:?}");
}
