//! Was every fault noticed, and by whom? Pure.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Declared, Results};

/// What a case came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// Not to be run here.
    Skipped,
}

#[derive(Serialize, Deserialize)]
struct Report {
    cases: Vec<Case>,
}

#[derive(Serialize, Deserialize)]
struct Case {
    id: String,
    verdict: Outcome,
}

/// Reads what `isthmus conformance run -o json` has printed.
pub(super) fn outcomes(report: &str) -> anyhow::Result<BTreeMap<String, Outcome>> {
    let report: Report = serde_json::from_str(report)?;
    Ok(report.cases.into_iter().map(|case| (case.id, case.verdict)).collect())
}

/// Writes so much of such a report as [`outcomes`] reads.
pub(super) fn report(outcomes: &BTreeMap<String, Outcome>) -> anyhow::Result<String> {
    let cases = outcomes.iter().map(|(id, verdict)| Case { id: id.clone(), verdict: *verdict }).collect();
    Ok(serde_json::to_string_pretty(&Report { cases })?)
}

/// What the matrix must not show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The suite fails without a fault.
    FailsWhenSound(String),
    /// Nothing has noticed.
    Undetected(String),
    /// A case that should have failed didn't.
    Missed { fault: String, case: String },
    /// A case failed that isn't about the fault.
    Unexpected { fault: String, case: String },
    /// A case that no fault makes fail: nothing shows that it checks anything.
    Idle(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailsWhenSound(case) => write!(f, "sound: {case} fails without any fault"),
            Self::Undetected(fault) => write!(f, "{fault}: undetected"),
            Self::Missed { fault, case } => write!(f, "{fault}: {case} should have failed"),
            Self::Unexpected { fault, case } => {
                write!(f, "{fault}: {case} failed, which conformance/faults.yaml doesn't name")
            }
            Self::Idle(case) => write!(f, "{case}: no fault makes it fail"),
        }
    }
}

/// `whole`: all faults were tried, so that each case must have failed once.
pub(super) fn judge(faults: &[&Declared], results: &Results, whole: bool) -> Vec<Flaw> {
    let none = BTreeMap::new();
    let sound = results.get("").unwrap_or(&none);
    let failed = |outcomes: &BTreeMap<String, Outcome>, case: &String| outcomes.get(case) == Some(&Outcome::Failed);
    let mut flaws: Vec<Flaw> =
        sound.keys().filter(|case| failed(sound, case)).cloned().map(Flaw::FailsWhenSound).collect();
    for declared in faults {
        let fault = &declared.fault;
        let outcomes = results.get(fault).unwrap_or(&none);
        if !outcomes.values().any(|outcome| *outcome == Outcome::Failed) {
            flaws.push(Flaw::Undetected(fault.clone()));
            continue;
        }
        let missed = declared.fails.iter().filter(|case| !failed(outcomes, case));
        flaws.extend(missed.map(|case| Flaw::Missed { fault: fault.clone(), case: case.clone() }));
        let unexpected = outcomes.keys().filter(|case| failed(outcomes, case) && !declared.fails.contains(*case));
        flaws.extend(unexpected.map(|case| Flaw::Unexpected { fault: fault.clone(), case: case.clone() }));
    }
    if whole {
        let ran = sound.iter().filter(|(_, outcome)| **outcome != Outcome::Skipped).map(|(case, _)| case);
        let idle = ran.filter(|case| !results.values().any(|outcomes| failed(outcomes, case)));
        flaws.extend(idle.cloned().map(Flaw::Idle));
    }
    flaws
}

#[cfg(test)]
mod tests;
