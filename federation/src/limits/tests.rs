use std::collections::BTreeMap;

const SOURCE: &str = include_str!("../limits.rs");
const PAGE: &str = include_str!("../../../docs/limits.md");

/// Federation's part of the page.
fn table() -> &'static str {
    PAGE.split_once("\n# Limits of federation\n").unwrap().1.split("\n# ").next().unwrap()
}

/// A value as the table writes it: a number without its type, multiplied out, with its unit.
fn value(written: &str) -> String {
    let (kind, inner) =
        written.split_once('(').map_or(("", written), |(kind, rest)| (kind, rest.trim_end_matches(')')));
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    let product = |text: &str| text.split('*').map(number).product::<Option<u64>>();
    let plain = match inner.split_once("<<") {
        Some((n, shift)) => number(n).zip(number(shift)).map(|(n, shift)| n << shift),
        None => product(inner),
    };
    let unit = match kind.rsplit("from_").next().filter(|_| !kind.is_empty()) {
        Some("secs") => " s",
        Some("mins") => " min",
        Some("hours") => " h",
        _ => "",
    };
    plain.map_or_else(|| inner.to_owned(), |plain| format!("{plain}{unit}"))
}

#[test]
fn every_limit_is_in_the_table_with_its_value() {
    let constants = SOURCE.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("pub const ")?.split_once(": ")?;
        Some((name, value(rest.split_once(" = ")?.1.strip_suffix(';')?)))
    });
    let constants: BTreeMap<_, _> = constants.collect();
    assert!(constants.len() > 20, "{constants:?}");
    let rows = table().lines().filter_map(|line| line.strip_prefix("| `")).map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
        (cells.next().unwrap(), cells.next().unwrap().to_owned())
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), constants, "docs/limits.md");
}
