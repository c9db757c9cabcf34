use std::collections::BTreeMap;

use super::*;

const SOURCE: &str = include_str!("../limits.rs");
const PAGE: &str = include_str!("../../../docs/limits.md");

/// The data plane's part of the page.
fn table() -> &'static str {
    PAGE.split_once("\n# Limits of the gateway\n").unwrap().0
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
    let unit = match written.split_once("from_").map(|(_, unit)| unit) {
        Some(unit) if unit.starts_with("secs") => " s",
        Some(unit) if unit.starts_with("millis") => " ms",
        _ => "",
    };
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
    assert!(constants.len() > 40, "{constants:?}");
    for (name, value) in &constants {
        assert_eq!(documented.get(name), Some(value), "docs/limits.md: {name}");
    }
    let unknown: Vec<_> = documented.keys().filter(|name| !constants.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "docs/limits.md names what isn't: {unknown:?}");
}

#[test]
fn tests_that_the_table_names_exist() {
    for path in table().split('`').filter(|word| word.starts_with("proxy/") && word.ends_with(".rs")) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
        assert!(path.exists(), "{}", path.display());
    }
}

#[test]
fn tests_that_the_page_on_protocols_names_exist() {
    const PAGE: &str = include_str!("../../../docs/protocols.md");
    let named = PAGE.split('`').filter_map(|word| word.split_once(".rs::"));
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mesh");
    let mut count = 0;
    for (file, test) in named {
        let text = std::fs::read_to_string(tests.join(format!("{file}.rs"))).unwrap();
        assert!(text.contains(&format!("async fn {test}()")), "docs/protocols.md: {file}.rs::{test}");
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn connections_fit_into_the_file_descriptors() {
    for (descriptors, workers, connections) in [
        (1 << 20, 1, CONNECTIONS),
        (1024, 1, 240),
        (1024, 4, 60),
        (64, 1, FEWEST_CONNECTIONS),
        (0, 0, FEWEST_CONNECTIONS),
    ] {
        assert_eq!(connections_with(descriptors, workers), connections, "{descriptors} {workers}");
    }
}
