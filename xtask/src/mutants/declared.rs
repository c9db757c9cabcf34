//! `conformance/faults.yaml`: which cases cover which fault.

use std::collections::BTreeSet;

use anyhow::bail;
use serde::Deserialize;

/// A fault, and what notices it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    /// As `ISTHMUS_BROKEN` names it.
    pub(super) fault: String,
    /// What such a mesh does wrong.
    pub(super) breaks: String,
    /// The cases that fail on it, all of them.
    pub(super) fails: BTreeSet<String>,
}

pub(super) fn read(text: &str) -> anyhow::Result<Vec<Declared>> {
    let declared: Vec<Declared> = serde_saphyr::from_str(text)?;
    for (index, fault) in declared.iter().enumerate() {
        if declared.iter().skip(index + 1).any(|other| other.fault == fault.fault) {
            bail!("conformance/faults.yaml: {} stands there twice", fault.fault);
        }
    }
    Ok(declared)
}

/// The file and the program must know of the same faults.
pub(super) fn must_be_all(declared: &[Declared], there_are: &[String]) -> anyhow::Result<()> {
    let declared: BTreeSet<&str> = declared.iter().map(|fault| fault.fault.as_str()).collect();
    let there_are: BTreeSet<&str> = there_are.iter().map(String::as_str).collect();
    let list = |names: BTreeSet<&&str>| names.into_iter().copied().collect::<Vec<_>>().join(", ");
    let (missing, unknown) =
        (list(there_are.difference(&declared).collect()), list(declared.difference(&there_are).collect()));
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    bail!("conformance/faults.yaml lacks [{missing}], and names [{unknown}], which the program doesn't know")
}
