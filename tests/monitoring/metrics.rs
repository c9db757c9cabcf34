//! Which metrics a text names.

use std::{collections::BTreeSet, fs};

/// What a histogram's series are called beside its name.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The names in the tables of docs/metrics.md.
pub(crate) fn documented() -> BTreeSet<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `isthmus_"));
    rows.flat_map(|row| row.split('|').nth(1).map(names).unwrap_or_default()).collect()
}

/// What rules record.
pub(crate) fn recorded(rules: &str) -> BTreeSet<String> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned).collect()
}

/// The metrics of ours that a text names, histograms by their own name, recorded ones whole.
pub(crate) fn named(text: &str) -> BTreeSet<String> {
    let names = names(text).into_iter().filter(|name| name.contains("isthmus_"));
    names.map(|name| OF_HISTOGRAMS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name).to_owned()).collect()
}

/// Words that are like names of metrics.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.map(|word| word.trim_matches(':')).filter(|word| word.contains("isthmus_")).map(str::to_owned).collect()
}
