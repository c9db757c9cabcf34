use std::collections::BTreeSet;

use super::*;
use crate::{
    meshes::{Names, Parties},
    profile::Profile,
    run,
};

#[test]
fn every_case_can_be_run() {
    let ids: BTreeSet<String> = suite().into_iter().map(|case| case.id).collect();
    assert_eq!(ids.len(), suite().len(), "ids are unique");
    for case in suite() {
        case.check().unwrap_or_else(|why| panic!("{}: {why}", case.id));
    }
}

fn suite() -> Vec<Case> {
    all().unwrap()
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
