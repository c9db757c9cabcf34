//! What programs of the kind `isthmus app load` saw: one file for each of their pods, read while they run and after their end.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::Context;
use serde_json::Value;

/// One caller's report.
#[derive(Debug)]
pub struct Report {
    /// The pod.
    pub host: String,
    /// The load is over, and the report complete.
    pub ended: bool,
    loads: BTreeMap<String, Value>,
}

/// Reads all reports of a folder.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Report>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path)?;
            all.push(Report::parse(&text).with_context(|| format!("{}: {text:?}", path.display()))?);
        }
    }
    Ok(all)
}

impl Report {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let loads = value.get("loads").and_then(Value::as_object).context("no loads")?;
        Ok(Self {
            host: value.get("host").and_then(Value::as_str).context("no host")?.to_owned(),
            ended: value.get("ended").and_then(Value::as_bool).context("no ended")?,
            loads: loads.iter().map(|(name, counts)| (name.clone(), counts.clone())).collect(),
        })
    }

    /// A number of one load.
    pub fn count(&self, load: &str, what: &str) -> u64 {
        self.loads.get(load).and_then(|counts| counts.get(what)).and_then(Value::as_u64).unwrap_or(0)
    }

    /// A number over all loads.
    pub fn total(&self, what: &str) -> u64 {
        self.loads.keys().map(|load| self.count(load, what)).sum()
    }

    /// Answers by name, `hosts` or `versions`, over all loads.
    pub fn by(&self, what: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        let maps = self.loads.values().filter_map(|counts| counts.get(what)?.as_object());
        for (name, number) in maps.flatten() {
            *sums.entry(name.clone()).or_default() += number.as_u64().unwrap_or(0);
        }
        sums
    }

    /// Identifiers and reasons of the failures that were kept.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Value)> {
        let kept = self.loads.values().filter_map(|counts| counts.get("failures")?.as_array()).flatten();
        kept.map(|failure| (failure.get("id").and_then(Value::as_str).unwrap_or_default(), failure))
    }
}

/// Each load's numbers on a line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for load in self.loads.keys() {
            let numbers = ["succeeded", "failed", "after_signal", "reopened", "slowest_ms"];
            let numbers = numbers.map(|what| format!("{what} {}", self.count(load, what)));
            writeln!(f, "    {} {load}: {}", self.host, numbers.join(", "))?;
        }
        Ok(())
    }
}
