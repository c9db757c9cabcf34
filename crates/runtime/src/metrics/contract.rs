//! The tables of docs/metrics.md against what a role tells Prometheus. The tests of each role have this file as a module.

use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../../../../docs/metrics.md");
/// What stands for *edge* in the table.
const EDGE: &str = "source_mesh, source_namespace, source_workload_kind, source_workload, source_pod, destination_mesh, \
                    destination_namespace, destination_workload_kind, destination_workload, destination_pod, service, protocol";

/// Type and labels.
type Metric = (String, BTreeSet<String>);

/// Holds what a role has told against its section, in both directions. `silent` are those of the section that there is no
/// occasion for here.
pub(super) fn check(section: &str, told: &str, silent: &[&str]) {
    let (documented, told) = (documented(section), metrics(told));
    for (name, metric) in &told {
        assert_eq!(documented.get(name), Some(metric), "docs/metrics.md, {section}: {name}");
    }
    let missing: BTreeSet<&str> =
        documented.keys().map(String::as_str).filter(|name| !told.contains_key(*name)).collect();
    assert_eq!(missing, silent.iter().copied().collect(), "docs/metrics.md, {section}: not told");
}

fn section(name: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n## {name}\n")).unwrap();
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

fn documented(name: &str) -> BTreeMap<String, Metric> {
    let text = section(name);
    let mut all: BTreeMap<String, Metric> = text.lines().filter_map(row).collect();
    if let Some((_, names)) = text.split_once("And as of the proxy: ") {
        let proxy: BTreeMap<String, Metric> = section("Proxy").lines().filter_map(row).collect();
        let names = names.split('`').filter(|word| word.starts_with("isthmus_"));
        all.extend(names.map(|name| (name.to_owned(), proxy[name].clone())));
    }
    all
}

/// A metric of a table.
fn row(line: &str) -> Option<(String, Metric)> {
    let cells: Vec<&str> = line.strip_prefix("| `isthmus_")?.split('|').map(str::trim).collect();
    assert!(["stable", "experimental"].contains(&cells[3]), "{line}");
    let labels = cells[2].replace("*edge*", EDGE);
    let labels = labels.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
    Some((format!("isthmus_{}", cells[0].trim_end_matches('`')), (cells[1].to_owned(), labels.collect())))
}

/// The mesh's metrics of a scrape, with the labels of their series.
fn metrics(text: &str) -> BTreeMap<String, Metric> {
    let mut all: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            all.entry(name.to_owned()).or_default().0 = kind.to_owned();
            continue;
        }
        let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let part = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| name.strip_suffix(part));
        let name = part.filter(|base| all.get(*base).is_some_and(|(kind, _)| kind == "histogram")).unwrap_or(name);
        let Some(metric) = all.get_mut(name) else { continue };
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
        metric.1.extend(labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le"));
    }
    all.retain(|name, _| name.starts_with("isthmus_"));
    all
}
