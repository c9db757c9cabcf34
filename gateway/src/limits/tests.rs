use std::collections::BTreeMap;

use super::*;

const SOURCE: &str = include_str!("../limits.rs");
const PAGE: &str = include_str!("../../../docs/limits.md");

/// The gateway's part of the page.
fn table() -> &'static str {
    let (_, rest) = PAGE.split_once("\n# Limits of the gateway\n").unwrap();
    rest.split_once("\n# Limits of federation\n").unwrap().0
}

/// Names and values of the constants, as written.
fn constants() -> BTreeMap<&'static str, &'static str> {
    let of = |line: &'static str| {
        let (name, rest) = line.strip_prefix("pub const ")?.split_once(": ")?;
        Some((name, rest.split_once(" = ")?.1.strip_suffix(';')?))
    };
    SOURCE.lines().filter_map(of).collect()
}

/// A value as the table writes it: the number without its type.
fn value(written: &str) -> String {
    let inner = written.split_once('(').map_or(written, |(_, inner)| inner.trim_end_matches(')'));
    let plain = match inner.split_once(" << ") {
        Some((n, shift)) => (n.parse::<u64>().unwrap() << shift.parse::<u32>().unwrap()).to_string(),
        None => inner.replace('_', ""),
    };
    let unit = if written.contains("from_secs") { " s" } else { "" };
    format!("{plain}{unit}")
}

#[test]
fn every_limit_is_in_the_table_with_its_value() {
    let mut documented = BTreeMap::new();
    for line in table().lines().filter_map(|l| l.strip_prefix("| `")) {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        documented.insert(cells[0], cells[1].to_owned());
    }
    let constants: BTreeMap<_, _> = constants().into_iter().map(|(name, written)| (name, value(written))).collect();
    assert!(constants.len() > 15, "{constants:?}");
    assert_eq!(documented, constants.into_iter().collect(), "docs/limits.md");
}

#[test]
fn tests_that_the_table_names_exist() {
    let mut count = 0;
    for path in table().split('`').filter(|word| word.starts_with("gateway/") && word.ends_with(".rs")) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
        assert!(path.exists(), "{}", path.display());
        count += 1;
    }
    assert!(count > 5, "{count}");
}

#[test]
fn connections_fit_into_the_file_descriptors() {
    for (descriptors, workers, connections) in [
        (1 << 20, 1, CONNECTIONS),
        (4096 + 64, 1, (4096 - 512) / 2),
        (4096 + 64, 2, (2048 - 512) / 2),
        (64, 1, FEWEST_CONNECTIONS),
        (0, 0, FEWEST_CONNECTIONS),
    ] {
        assert_eq!(connections_with(descriptors, workers), connections, "{descriptors} {workers}");
    }
}
