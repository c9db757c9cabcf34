//! The matrix as a page shows it.

use std::fmt::Write;

use super::{Declared, Outcome, Results};

/// First the faults with how many cases have noticed each, then every case against every fault.
pub(super) fn render(faults: &[&Declared], results: &Results) -> String {
    let failed = |fault: &str, case: &str| results.get(fault).and_then(|r| r.get(case)) == Some(&Outcome::Failed);
    let was_tried = |fault: &str| results.get(fault).is_some_and(|outcomes| !outcomes.is_empty());
    let sound = results.get("");
    let ran = sound.into_iter().flatten().filter(|(_, outcome)| **outcome != Outcome::Skipped);
    let cases: Vec<&String> = ran.map(|(case, _)| case).collect();
    let mut text = String::from("| | broken mesh | what is broken | cases that fail |\n|---|---|---|---|\n");
    for (number, fault) in faults.iter().enumerate() {
        let count = cases.iter().filter(|case| failed(&fault.fault, case)).count();
        let count = match count {
            0 if !was_tried(&fault.fault) => "not tried".to_owned(),
            0 => "**undetected**".to_owned(),
            count => count.to_string(),
        };
        let _ = writeln!(text, "| {} | `{}` | {} | {count} |", number + 1, fault.fault, fault.breaks);
    }
    let unnoticed = |fault: &str| was_tried(fault) && !cases.iter().any(|case| failed(fault, case));
    let undetected = faults.iter().filter(|fault| unnoticed(&fault.fault)).count();
    let _ = writeln!(
        text,
        "\n{} broken meshes, {} cases, {undetected} undetected. `x`: the case fails; `·`: it passes; nothing: it wasn't tried. The columns are the numbers above, and `–` is the sound mesh.\n",
        faults.len(),
        cases.len(),
    );
    let width = cases.iter().map(|case| case.len()).max().unwrap_or_default();
    text.push_str("```text\n");
    for digits in [|n: usize| n / 10, |n: usize| n % 10] {
        let heads: String = (1..=faults.len()).map(|number| digit(digits(number))).collect();
        let _ = writeln!(text, "{:width$}  –{heads}", "");
    }
    for case in cases {
        let tried = |fault: &str| {
            results.get(fault).and_then(|r| r.get(case)).is_some_and(|outcome| *outcome != Outcome::Skipped)
        };
        let mark = |fault: &str| match (failed(fault, case), tried(fault)) {
            (true, _) => 'x',
            (false, true) => '·',
            (false, false) => ' ',
        };
        let marks: String = std::iter::once("").chain(faults.iter().map(|f| f.fault.as_str())).map(mark).collect();
        let _ = writeln!(text, "{case:width$}  {marks}");
    }
    text.push_str("```\n");
    text
}

fn digit(number: usize) -> char {
    u32::try_from(number).ok().and_then(|number| char::from_digit(number, 10)).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_case_stands_against_every_fault() {
        let declared = |fault: &str| Declared { fault: fault.to_owned(), breaks: "it".to_owned(), fails: [].into() };
        let (one, two) = (declared("one"), declared("two"));
        let mesh = |b: Outcome| {
            let cases = [("a", Outcome::Passed), ("bb", b), ("skipped", Outcome::Skipped)];
            cases.map(|(case, outcome)| (case.to_owned(), outcome)).into()
        };
        let results: Results = BTreeMap::from([
            (String::new(), mesh(Outcome::Passed)),
            ("one".to_owned(), mesh(Outcome::Failed)),
            ("two".to_owned(), mesh(Outcome::Passed)),
        ]);
        let text = render(&[&one, &two], &results);
        assert!(text.contains("| 1 | `one` | it | 1 |\n| 2 | `two` | it | **undetected** |\n"), "{text}");
        assert!(text.contains("2 broken meshes, 2 cases, 1 undetected"), "{text}");
        assert!(text.ends_with("```text\n    –00\n    –12\na   ···\nbb  ·x·\n```\n"), "{text}");
    }
}
