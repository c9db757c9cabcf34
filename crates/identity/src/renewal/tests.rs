use isthmus_core::id::{SpiffeId, TrustDomain};

use super::*;
use crate::{Authority, Keypair};

const DAY: Duration = Duration::from_hours(24);
const JITTERS: [f64; 4] = [0.0, 0.3, 1.0, f64::NAN];

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn issued(at: SystemTime, lifetime: Duration) -> Svid {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let authority = Authority::generate(domain.clone(), start() - DAY * 30, DAY * 365).unwrap();
    let keypair = Keypair::generate().unwrap();
    let id = SpiffeId::for_service_account(&domain, "shop", "web").unwrap();
    Svid::new(authority.issue(&keypair.csr().unwrap(), &id, at, lifetime).unwrap().chain, &keypair).unwrap()
}

/// A controller that goes away just before the renewal: the times of the tries, until `end`.
fn tries(svid: &Svid, end: SystemTime, jitter: f64) -> Vec<SystemTime> {
    let mut now = svid.not_before() + BACKDATE;
    now += after_success(svid, now, jitter);
    let mut times = Vec::new();
    while now < end {
        times.push(now);
        let failures = u32::try_from(times.len()).unwrap();
        now += after_failure(failures, svid.not_after().duration_since(now).ok(), jitter);
    }
    times
}

#[test]
fn hours_without_a_controller_are_bridged_with_few_tries_that_get_denser_towards_the_end() {
    let svid = issued(start(), DAY);
    for jitter in JITTERS {
        let times = tries(&svid, svid.not_after(), jitter);
        assert!((90..600).contains(&times.len()), "{}", times.len());
        // The first retries are quick: most outages are restarts.
        assert!(times[5].duration_since(times[0]).unwrap() < Duration::from_secs(4));
        let gaps = |from: Duration, to: Duration| {
            let within =
                times.windows(2).filter(|pair| (svid.not_after() - from..svid.not_after() - to).contains(&pair[1]));
            within.map(|pair| pair[1].duration_since(pair[0]).unwrap()).collect::<Vec<_>>()
        };
        assert!(
            gaps(DAY / 3, DAY / 24 * 2).iter().skip(20).all(|gap| (RETRY_LONGEST / 2..=RETRY_LONGEST).contains(gap))
        );
        let last_minutes = gaps(Duration::from_mins(3), Duration::ZERO);
        assert!(last_minutes.len() >= 15 && last_minutes.iter().all(|gap| *gap <= Duration::from_secs(10)));
    }
}

#[test]
fn an_expired_certificate_is_asked_for_every_few_seconds_for_ever() {
    let svid = issued(start(), DAY);
    let times = tries(&svid, svid.not_after() + DAY, 0.5);
    let after: Vec<_> = times.iter().filter(|time| **time > svid.not_after() + RETRY_WITHOUT).collect();
    assert!(after.windows(2).all(|pair| pair[1].duration_since(*pair[0]).unwrap() <= RETRY_WITHOUT));
    assert!(after.len() >= 24 * 360);
    assert_eq!(after_failure(u32::MAX, None, 0.0), RETRY_WITHOUT);
}

#[test]
fn a_certificate_of_seconds_is_renewed_with_retries_before_it_ends() {
    for lifetime in [3, 6, 30].map(Duration::from_secs) {
        let svid = issued(start(), lifetime);
        for jitter in JITTERS {
            let times = tries(&svid, svid.not_after(), jitter);
            assert!(times.len() >= 3, "{lifetime:?} {jitter}: {times:?}");
        }
    }
}

#[test]
fn no_clock_makes_a_storm() {
    let svid = issued(start(), DAY);
    for now in [start() - DAY * 365, start() + DAY / 2, start() + DAY - Duration::from_secs(3), start() + DAY * 365] {
        for jitter in JITTERS {
            assert!(after_success(&svid, now, jitter) >= RETRY_FIRST);
        }
    }
    assert_eq!(after_success(&svid, start() + DAY * 9 / 10, 0.5), DAY / 30);
}

#[test]
fn a_mesh_that_renews_together_is_spread() {
    assert_eq!(spread(DAY, 1.0), Duration::from_secs(30));
    assert_eq!(spread(Duration::from_secs(10), 0.5), Duration::from_millis(50));
    assert_eq!(spread(DAY, f64::NAN), Duration::ZERO);
}

#[test]
fn a_wrong_clock_is_named() {
    let fresh = issued(start(), DAY);
    let complaint = |now: SystemTime| Skew::of(&fresh, now).complaint();
    assert_eq!(complaint(start()), None);
    assert_eq!(complaint(start() - MAX_SKEW), None);
    let behind = complaint(start() - Duration::from_secs(300)).unwrap();
    assert!(behind.contains("is 300 s behind the controller's") && behind.contains("NTP"), "{behind}");
    let ahead = complaint(start() + Duration::from_secs(90_000)).unwrap();
    assert!(ahead.contains("is 90000 s ahead of the controller's"), "{ahead}");
    assert_eq!(Skew::of(&fresh, start() + Duration::from_secs(7)).seconds(), -7);
}
