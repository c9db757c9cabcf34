use super::*;

fn claim(holder: &str) -> Claim {
    Claim { namespace: "isthmus-system".into(), name: "isthmus-controller".into(), holder: holder.into() }
}

fn held_by(holder: &str, version: &str) -> Lease {
    let mut lease = record(&claim(holder), None);
    lease.metadata.resource_version = Some(version.into());
    lease
}

#[tokio::test(start_paused = true)]
async fn a_silent_holder_is_followed_only_after_a_whole_duration_without_change() {
    let mut sight = Sight::default();
    let start = Instant::now();
    assert_eq!(sight.decide(None, "b", start), Step::Create);
    let old = held_by("a", "1");
    assert_eq!(sight.decide(Some(&old), "b", start), Step::Wait);
    assert_eq!(sight.decide(Some(&old), "b", start + DURATION / 2), Step::Wait);
    let renewed = held_by("a", "2");
    assert_eq!(sight.decide(Some(&renewed), "b", start + DURATION), Step::Wait);
    assert_eq!(sight.decide(Some(&renewed), "b", start + DURATION * 2), Step::Write);
}

#[test]
fn the_holder_renews_and_a_lease_given_up_is_taken_at_once() {
    let now = Instant::now();
    assert_eq!(Sight::default().decide(Some(&held_by("a", "1")), "a", now), Step::Write);
    let mut free = held_by("a", "1");
    free.spec.as_mut().unwrap().holder_identity = None;
    assert_eq!(Sight::default().decide(Some(&free), "b", now), Step::Write);
}

#[test]
fn a_renewal_keeps_the_time_of_acquisition_and_a_takeover_counts() {
    let first = held_by("a", "1");
    let renewed = record(&claim("a"), Some(&first)).spec.unwrap();
    assert_eq!(renewed.acquire_time, first.spec.as_ref().unwrap().acquire_time);
    assert_eq!(renewed.lease_transitions, Some(1));
    assert_eq!(record(&claim("b"), Some(&first)).spec.unwrap().lease_transitions, Some(2));
    assert_eq!(record(&claim("b"), Some(&first)).metadata.resource_version.as_deref(), Some("1"));
}
