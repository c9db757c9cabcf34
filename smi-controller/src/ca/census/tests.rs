use super::*;

fn pod(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

fn here(standings: &[(&str, Standing)]) -> Standings {
    Standings(standings.iter().map(|(name, standing)| (pod(name), standing.clone())).collect())
}

fn count_of(expected: &[&str], here: &Standings, elsewhere: &[Report], done: &mut BTreeSet<ObjectName>) -> Census {
    count(expected.iter().map(|name| pod(name)).collect(), here, elsewhere, done)
}

fn census(standings: &[(&str, Standing)]) -> Census {
    Census::of(standings.iter().map(|(name, standing)| (pod(name), standing.clone())))
}

#[test]
fn everybody_counts_who_should_be_there_or_is() {
    let here = here(&[("a", Standing::Done), ("new", Standing::Behind)]);
    let found = count_of(&["a", "b"], &here, &[], &mut BTreeSet::new());
    assert_eq!(found, census(&[("a", Standing::Done), ("b", Standing::Absent), ("new", Standing::Behind)]));
}

#[test]
fn who_has_done_its_part_and_left_is_remembered_until_its_pod_goes() {
    let mut done = BTreeSet::new();
    count_of(&["a"], &here(&[("a", Standing::Done)]), &[], &mut done);
    assert_eq!(count_of(&["a"], &here(&[]), &[], &mut done).done, 1);
    // It has come back, and says otherwise: what it says now counts.
    assert_eq!(count_of(&["a"], &here(&[("a", Standing::Behind)]), &[], &mut done).done, 0);
    count_of(&[], &here(&[]), &[], &mut done);
    assert_eq!(count_of(&["a"], &here(&[]), &[], &mut done), census(&[("a", Standing::Absent)]));
}

#[test]
fn other_replicas_tell_of_their_proxies_by_the_secret() {
    let theirs = here(&[("a", Standing::Done), ("b", Standing::Behind), ("c", Standing::Refused("no".into()))]);
    let entry = |sequence| ByteString(serde_json::to_vec(&Report::new(sequence, &theirs)).unwrap());
    let data = [
        (Report::key("c-2"), entry(7)),
        (Report::key("c-3"), entry(6)),
        (Report::key("c-4"), ByteString(b"{".to_vec())),
        (Report::key("c-1"), entry(7)),
        ("state.json".to_owned(), ByteString(b"{}".to_vec())),
    ];
    let secret = Secret { data: Some(data.into()), ..Secret::default() };
    let reports = Report::others(&secret, "c-1", 7);
    assert_eq!(reports, [Report::new(7, &theirs)]);
    let found = count_of(&["a", "b", "c", "d"], &here(&[]), &reports, &mut BTreeSet::new());
    let refused = Standing::Refused("no".into());
    let expected = [("a", Standing::Done), ("b", Standing::Behind), ("c", refused), ("d", Standing::Absent)];
    assert_eq!(found, census(&expected));
    // Whom both know of: what is behind anywhere is behind.
    let moved = [Report::new(7, &here(&[("a", Standing::Behind)])), Report::new(7, &theirs)];
    assert_eq!(count_of(&["a"], &here(&[]), &moved, &mut BTreeSet::new()), census(&[("a", Standing::Behind)]));
}

#[test]
fn a_report_of_many_refusals_stays_small() {
    let names: Vec<String> = (0..100).map(|n| format!("web-{n}")).collect();
    let refusing: Vec<_> = names.iter().map(|name| (name.as_str(), Standing::Refused("x".repeat(200)))).collect();
    let report = Report::new(1, &here(&refusing));
    assert_eq!((report.refused.len(), report.behind.len()), (MAX_REFUSALS, 100 - MAX_REFUSALS));
}
