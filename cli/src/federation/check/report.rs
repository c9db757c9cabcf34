//! What a check has found: for people line by line, for programs in the shape of `linkerd check -o json`.

use serde::Serialize;

/// The whole check.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) success: bool,
    pub(super) categories: Vec<Category>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Category {
    pub(super) category_name: String,
    pub(super) checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) description: String,
    pub(super) result: Verdict,
    /// What was seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) seen: String,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Success,
    /// It couldn't be looked at, or needn't be right now.
    Warning,
    Error,
}

/// What stands in the way, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) remedy: String,
}

/// The first fault ends a check: what comes after stands on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopped;

impl Fault {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

impl Report {
    /// What follows belongs to this.
    pub(super) fn category(&mut self, name: impl Into<String>) {
        self.categories.push(Category { category_name: name.into(), checks: Vec::new() });
    }

    /// Records a step.
    pub(super) fn step(&mut self, description: &str, found: Result<String, Fault>) -> Result<(), Stopped> {
        let good = found.is_ok();
        let (result, seen, error, hint) = match found {
            Ok(seen) => (Verdict::Success, seen, None, None),
            Err(fault) => (Verdict::Error, String::new(), Some(fault.what), Some(fault.remedy)),
        };
        self.push(Check { description: description.to_owned(), result, seen, error, hint });
        if good { Ok(()) } else { Err(Stopped) }
    }

    /// Records what couldn't be looked at, which is no fault.
    pub(super) fn warn(&mut self, description: &str, why: Fault) {
        let (error, hint) = (Some(why.what), Some(why.remedy));
        let result = Verdict::Warning;
        self.push(Check { description: description.to_owned(), result, seen: String::new(), error, hint });
    }

    fn push(&mut self, check: Check) {
        if let Some(category) = self.categories.last_mut() {
            category.checks.push(check);
        }
    }

    /// The verdict: good when nothing was at fault.
    pub(super) fn finish(mut self, walked: Result<(), Stopped>) -> Self {
        self.success = walked.is_ok();
        self
    }

    pub(super) fn text(&self, paint: impl Fn(&str, &str) -> String) -> String {
        let mut out = String::new();
        for category in &self.categories {
            out += &format!("{}\n", paint("1", &category.category_name));
            for check in &category.checks {
                let mark = match check.result {
                    Verdict::Success => paint("32", "✓"),
                    Verdict::Warning => paint("33", "‼"),
                    Verdict::Error => paint("31", "✗"),
                };
                let seen = if check.seen.is_empty() { String::new() } else { format!(": {}", check.seen) };
                out += &format!("  {mark} {}{seen}\n", check.description);
                for line in check.error.iter().chain(&check.hint) {
                    out += &format!("      {line}\n");
                }
            }
            out.push('\n');
        }
        out + if self.success { "Nothing is at fault.\n" } else { "Stopped at the first fault.\n" }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        let mut walk = || {
            report.category("west: hub");
            report.step("its name has an address", Ok("100.64.0.10".into()))?;
            report.warn("one real request", Fault::new("not asked for", "give --from"));
            report.step("it takes connections", Err(Fault::new("connection refused", "start the hub")))?;
            report.step("it speaks TLS", Ok(String::new()))
        };
        let walked = walk();
        report.finish(walked)
    }

    #[test]
    fn the_first_fault_ends_it_and_says_what_to_do() {
        let text = report().text(|_, text| text.to_owned());
        assert_eq!(
            text,
            "west: hub
  ✓ its name has an address: 100.64.0.10
  ‼ one real request
      not asked for
      give --from
  ✗ it takes connections
      connection refused
      start the hub

Stopped at the first fault.
"
        );
    }

    #[test]
    fn programs_read_it_as_they_read_that_of_linkerd() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["success"], false);
        let category = &json["categories"][0];
        assert_eq!(category["categoryName"], "west: hub");
        let results: Vec<_> = category["checks"].as_array().unwrap().iter().map(|check| &check["result"]).collect();
        assert_eq!(results, ["success", "warning", "error"]);
        assert_eq!(category["checks"][2]["hint"], "start the hub");
    }

    #[test]
    fn nothing_amiss_is_said_too() {
        let mut report = Report::default();
        report.category("west: mesh");
        let walked = report.step("it has a bundle", Ok("sequence 1".into()));
        let report = report.finish(walked);
        assert!(report.success && report.text(|_, text| text.to_owned()).ends_with("Nothing is at fault.\n"));
    }
}
