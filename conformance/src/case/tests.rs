use std::collections::BTreeSet;

use super::*;
use crate::{
    meshes::{Names, Parties},
    profile::Profile,
    run, statistics,
};

fn suite() -> Vec<Case> {
    all().unwrap()
}

/// A namespace's name may have 63 characters, with the prefix and the run's name of 4 before, and another's behind.
const LONGEST_ID: usize = 37;

#[test]
fn every_case_can_be_read_and_is_named_well() {
    let cases = suite();
    let ids: BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
    assert_eq!(ids.len(), cases.len(), "ids are unique");
    for case in &cases {
        let longest = case.namespaces.iter().map(|other| other.len() + 1).max().unwrap_or(0) + case.id.len();
        assert!(longest <= LONGEST_ID, "{}: {longest} characters", case.id);
        assert!(case.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", case.id);
        for text in [&case.title, &case.source.page, &case.source.section, &case.source.says] {
            assert!(!text.trim().is_empty(), "{}", case.id);
        }
    }
}

#[test]
fn every_step_names_what_is_there() {
    for case in suite() {
        assert!(case.steps.iter().any(expects), "{} expects nothing", case.id);
        for step in &case.steps {
            let checks: Vec<&Check> = match step {
                Step::Expect(checks) => checks.iter().collect(),
                Step::Hold(connections) => connections.values().collect(),
                Step::Scale { app, .. } => {
                    assert!(case.apps.contains_key(app), "{}: no {app}", case.id);
                    continue;
                }
                _ => continue,
            };
            for check in checks {
                checked(&case, check);
            }
        }
    }
}

fn expects(step: &Step) -> bool {
    if let Step::Peer(step) = step {
        return expects(step);
    }
    !matches!(step, Step::Apply(_) | Step::TryApply(_) | Step::Delete(_) | Step::Scale { .. } | Step::Hold(_))
}

fn checked(case: &Case, check: &Check) {
    let id = &case.id;
    let from = case.apps.get(&check.from).unwrap_or_else(|| panic!("{id}: no {}", check.from));
    let steps = case.steps.iter().flat_map(|step| applied(step, from.peer));
    let objects = case.objects.iter().filter(|_| !from.peer).chain(steps);
    let services = objects.filter(|o| o["kind"] == "Service" || o["kind"] == "ImportedService");
    let services: BTreeSet<&str> =
        services.filter_map(|o| o["spec"]["as"].as_str().or(o["metadata"]["name"].as_str())).collect();
    let beside = case.apps.get(&check.to).is_some_and(|to| to.peer == from.peer);
    assert!(beside || services.contains(check.to.as_str()), "{id}: no {} where {} is", check.to, check.from);
    assert!(check.namespace.as_ref().is_none_or(|n| case.namespaces.contains(n)), "{id}: {:?}", check.namespace);
    let Some(shares) = &check.by else { return };
    assert_eq!(shares.values().sum::<u32>(), 100, "{id}: shares");
    let exact = shares.values().all(|share| matches!(share, 0 | 100));
    assert!(exact || check.times >= statistics::ENOUGH, "{id}: too few requests for shares");
}

/// What a step applies there.
fn applied(step: &Step, peer: bool) -> &[Value] {
    match step {
        Step::Apply(objects) | Step::TryApply(objects) if !peer => objects,
        Step::Peer(step) if peer => applied(step, false),
        _ => &[],
    }
}

/// Who has no second mesh is to hear of that, and of nothing else.
#[test]
fn what_needs_a_peer_says_so() {
    for case in suite() {
        let joined = case.sides().count() > 1;
        assert_eq!(joined, case.needs.iter().any(|need| need == "federation"), "{}", case.id);
        assert_eq!(joined, case.group() == "federation", "{}", case.id);
    }
}

#[test]
fn only_what_is_about_a_cluster_is_done_in_the_peer() {
    let read = crate::yaml::read::<Step>;
    assert!(read("{ peer: { delete: [TrafficTarget/x] } }").is_ok());
    for step in ["{ peer: { scale: { app: x, replicas: 2 } } }", "{ peer: { peer: { delete: [] } } }"] {
        let error = read(step).unwrap_err();
        assert!(error.contains("peer: only apply, try-apply, delete and api"), "{error}");
    }
}

/// What a case is about has to be tried on our own mesh: no case is for show.
#[test]
fn our_own_mesh_lacks_nothing() {
    let profile = Profile::named("isthmus").unwrap();
    let options = run::Options {
        run: "test".into(),
        image: "image".into(),
        parallel: 1,
        timeout: std::time::Duration::ZERO,
        keep: false,
    };
    let names = |mesh: &str| Some(Names { mesh: mesh.to_owned(), trust_domain: format!("{mesh}.local") });
    let parties = Parties { own: names("east"), peer: names("west") };
    for case in suite() {
        run::plan(&case, &profile, &parties, &options).unwrap_or_else(|why| panic!("{}: {why}", case.id));
    }
}

#[test]
fn a_case_with_a_field_that_nobody_knows_is_refused() {
    let error = library::read("access-x", "{ title: t, sauce: {} }").unwrap_err().to_string();
    assert!(error.starts_with("case access-x: unknown field `sauce`"), "{error}");
    assert!(crate::yaml::read::<Step>("{ expect: [{ from: a, to: b, ist: denied }] }").is_err());
    assert!(crate::yaml::read::<Step>("{ except: [] }").is_err());
}
