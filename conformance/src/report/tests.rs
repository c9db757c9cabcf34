use super::*;

fn result(id: &str, demand: Demand, outcome: Outcome) -> CaseResult {
    CaseResult {
        id: id.into(),
        group: id.split('-').next().unwrap().into(),
        title: format!("Title of {id}"),
        demand,
        source: Source { page: "traffic-access".into(), section: "Spec".into(), says: "so & so".into() },
        steps: 2,
        outcome,
        took: Duration::from_millis(1500),
    }
}

fn failed() -> Outcome {
    let asked = Asked {
        request: "client: GET http://server:9091/echo".into(),
        expected: "refused".into(),
        seen: "200 by server".into(),
        as_expected: false,
    };
    Outcome::Failed(Box::new(Failure {
        step: 2,
        why: "not as expected after 5 s".into(),
        asked: vec![asked],
        objects: vec!["kind: TrafficTarget\n".into()],
    }))
}

fn report(results: Vec<CaseResult>) -> Report {
    Report {
        mesh: "Isthmus".into(),
        profile: "isthmus".into(),
        version: "0.1.0".into(),
        began: "2026-01-02T03:04:05Z".into(),
        took: Duration::from_secs(3),
        results,
    }
}

fn mixed() -> Report {
    report(vec![
        result("access-one", Demand::Required, Outcome::Passed),
        result("access-two", Demand::Required, failed()),
        result("access-three", Demand::Silent, failed()),
        result("split-one", Demand::Required, Outcome::Skipped("it reads no TrafficSplit".into())),
    ])
}

#[test]
fn conforming_is_all_that_is_demanded() {
    let good =
        vec![result("access-one", Demand::Required, Outcome::Passed), result("access-two", Demand::Silent, failed())];
    assert!(report(good).conforms());
    assert!(!mixed().conforms());
    let skipped = vec![result("split-one", Demand::Required, Outcome::Skipped(String::new()))];
    assert!(!report(skipped).conforms(), "what couldn't be tried hasn't passed");
    assert_eq!(mixed().summary(), "1 of 3 demanded, 0 of 1 left open");
}

#[test]
fn the_table_shows_what_failed_and_how() {
    assert_eq!(
        mixed().render(Form::Table),
        "\
CASE           DEMAND        RESULT    TITLE
access-one     required      passed    Title of access-one
access-two     required      failed    Title of access-two
access-three   silent        failed    Title of access-three
split-one      required      skipped   Title of split-one

access-two: Title of access-two
  traffic-access, Spec: so & so
  step 2: not as expected after 5 s
    ✗ client: GET http://server:9091/echo
        expected: refused
        came:     200 by server
  with these objects:
    kind: TrafficTarget

access-three: Title of access-three
  traffic-access, Spec: so & so
  step 2: not as expected after 5 s
    ✗ client: GET http://server:9091/echo
        expected: refused
        came:     200 by server
  with these objects:
    kind: TrafficTarget

split-one: Title of split-one
  traffic-access, Spec: so & so
  skipped: it reads no TrafficSplit

1 of 3 demanded, 0 of 1 left open, on Isthmus, in 3.0 s
"
    );
}

#[test]
fn junit_counts_as_failures_only_what_is_demanded() {
    let xml = mixed().render(Form::Junit);
    assert!(
        xml.contains(
            "<testsuites name=\"SMI conformance of Isthmus\" tests=\"4\" failures=\"1\" skipped=\"2\" time=\"3.000\">"
        ),
        "{xml}"
    );
    assert!(
        xml.contains("<testsuite name=\"access\" tests=\"3\" failures=\"1\" skipped=\"1\" time=\"4.500\""),
        "{xml}"
    );
    assert!(xml.contains("<testcase classname=\"access\" name=\"access-one\" time=\"1.500\"/>"), "{xml}");
    assert!(xml.contains("expected: refused&#10;"), "{xml}");
    assert_eq!(xml.matches("<testcase").count(), 4);
    assert_eq!(xml.matches("<failure").count(), 1);
}

#[test]
fn meshery_gets_a_capability_for_each_group() {
    let told: serde_json::Value = serde_json::from_str(&mixed().render(Form::Meshery)).unwrap();
    assert_eq!(told["mesh_name"], "Isthmus");
    assert_eq!((&told["cases_passed"], &told["passing_percentage"]), (&"1".into(), &"33.33".into()));
    let detail = |i: usize, key: &str| told["more_details"][i][key].clone();
    assert_eq!((detail(0, "smi_specification"), detail(0, "capability")), ("traffic-access".into(), "Partial".into()));
    assert_eq!(detail(0, "smi_version"), "v0.6.0/v1alpha3");
    assert_eq!((detail(1, "smi_specification"), detail(1, "capability")), ("traffic-split".into(), "None".into()));
    let all = report(vec![result("specs-one", Demand::Required, Outcome::Passed)]);
    let told: serde_json::Value = serde_json::from_str(&all.render(Form::Meshery)).unwrap();
    assert_eq!(
        (&told["more_details"][0]["capability"], &told["passing_percentage"]),
        (&"Full".into(), &"100.00".into())
    );
}

#[test]
fn json_has_everything() {
    let told: serde_json::Value = serde_json::from_str(&mixed().render(Form::Json)).unwrap();
    assert_eq!((&told["conforms"], &told["seconds"]), (&false.into(), &3.0.into()));
    assert_eq!(told["cases"][1]["failure"]["asked"][0]["seen"], "200 by server");
    assert_eq!(told["cases"][3]["reason"], "it reads no TrafficSplit");
    assert!(told["cases"][0].get("failure").is_none());
}

#[test]
fn markdown_is_a_table_for_each_group() {
    let text = mixed().render(Form::Markdown);
    assert!(text.starts_with("Isthmus 0.1.0: **not everything that the specification demands passed**."), "{text}");
    assert!(text.contains("### access\n| case |") && text.contains("### split\n"), "{text}");
    assert!(
        text.contains("| `access-one` | Title of access-one | traffic-access, Spec: so & so | required | passed |"),
        "{text}"
    );
}
