use super::*;

fn pod(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

fn here(standings: &[(&str, Standing)]) -> Standings {
    Standings(standings.iter().map(|(name, standing)| (pod(name), standing.clone())).collect())
}

fn count_of(expected: &[&str], here: &Standings, done: &mut BTreeSet<ObjectName>) -> Census {
    count(expected.iter().map(|name| pod(name)).collect(), here, done)
}

fn census(standings: &[(&str, Standing)]) -> Census {
    Census::of(standings.iter().map(|(name, standing)| (pod(name), standing.clone())))
}

#[test]
fn everybody_counts_who_should_be_there_or_is() {
    let here = here(&[("a", Standing::Done), ("new", Standing::Behind)]);
    let found = count_of(&["a", "b"], &here, &mut BTreeSet::new());
    assert_eq!(found, census(&[("a", Standing::Done), ("b", Standing::Absent), ("new", Standing::Behind)]));
}

#[test]
fn who_has_done_its_part_and_left_is_remembered_until_its_pod_goes() {
    let mut done = BTreeSet::new();
    count_of(&["a"], &here(&[("a", Standing::Done)]), &mut done);
    assert_eq!(count_of(&["a"], &here(&[]), &mut done).done, 1);
    // It has come back, and says otherwise: what it says now counts.
    assert_eq!(count_of(&["a"], &here(&[("a", Standing::Behind)]), &mut done).done, 0);
    count_of(&[], &here(&[]), &mut done);
    assert_eq!(count_of(&["a"], &here(&[]), &mut done), census(&[("a", Standing::Absent)]));
}
