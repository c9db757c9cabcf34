use super::*;

fn declared(fault: &str, fails: &[&str]) -> Declared {
    Declared { fault: fault.to_owned(), breaks: String::new(), fails: fails.iter().map(ToString::to_string).collect() }
}

/// Each mesh with the cases that failed, of `a`, `b` and `c`; `s` is skipped everywhere.
fn results(meshes: &[(&str, &[&str])]) -> Results {
    let outcome = |case: &str, failed: &[&str]| match case {
        "s" => Outcome::Skipped,
        case if failed.contains(&case) => Outcome::Failed,
        _ => Outcome::Passed,
    };
    let of = |failed: &[&str]| ["a", "b", "c", "s"].map(|case| (case.to_owned(), outcome(case, failed))).into();
    meshes.iter().map(|(fault, failed)| ((*fault).to_owned(), of(failed))).collect()
}

#[test]
fn a_matrix_as_declared_has_no_flaw() {
    let (one, two) = (declared("one", &["a", "b"]), declared("two", &["c"]));
    let results = results(&[("", &[]), ("one", &["a", "b"]), ("two", &["c"])]);
    assert_eq!(judge(&[&one, &two], &results, true), []);
}

#[test]
fn what_is_kept_is_read_again() {
    let outcomes = results(&[("one", &["a"])]).remove("one").unwrap();
    assert_eq!(super::outcomes(&report(&outcomes).unwrap()).unwrap(), outcomes);
}

#[test]
fn each_flaw_is_told() {
    let (one, two) = (declared("one", &["a", "b"]), declared("two", &["b"]));
    let results = results(&[("", &["b"]), ("one", &["a", "c"]), ("two", &[])]);
    let (fault, case) = ("one".to_owned(), |case: &str| case.to_owned());
    let expected = [
        Flaw::FailsWhenSound(case("b")),
        Flaw::Missed { fault: fault.clone(), case: case("b") },
        Flaw::Unexpected { fault, case: case("c") },
        Flaw::Undetected("two".to_owned()),
    ];
    assert_eq!(judge(&[&one, &two], &results, false), expected);
}

#[test]
fn a_case_that_nothing_makes_fail_shows_nothing() {
    let one = declared("one", &["a"]);
    let results = results(&[("", &[]), ("one", &["a"])]);
    assert_eq!(judge(&[&one], &results, true), [Flaw::Idle("b".to_owned()), Flaw::Idle("c".to_owned())]);
    assert_eq!(judge(&[&one], &results, false), []);
}

#[test]
fn a_report_is_read_as_the_suite_prints_it() {
    let report = r#"{"cases": [{"id": "a", "verdict": "passed", "demand": "required"}, {"id": "s", "verdict": "skipped", "reason": "tcp"}]}"#;
    let expected = [("a".to_owned(), Outcome::Passed), ("s".to_owned(), Outcome::Skipped)];
    assert_eq!(outcomes(report).unwrap(), BTreeMap::from(expected));
}
