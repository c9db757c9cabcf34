use isthmus_core::id::TrustDomain;

use super::*;
use crate::Authority;

fn issued(now: SystemTime, lifetime: Duration) -> Svid {
    let domain = TrustDomain::new("isthmus.local").unwrap();
    let authority = Authority::generate(domain.clone(), now, Duration::from_hours(1000)).unwrap();
    let keypair = Keypair::generate().unwrap();
    let id = SpiffeId::for_service_account(&domain, "shop", "web").unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), &id, now, lifetime).unwrap();
    Svid::new(issued.chain, &keypair).unwrap()
}

#[test]
fn renewal_comes_at_two_thirds_of_life_give_or_take_a_twentieth() {
    // Certificates know whole seconds only.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for lifetime in [Duration::from_hours(24), Duration::from_secs(90), Duration::from_secs(30)] {
        let svid = issued(now, lifetime);
        let share = |jitter| svid.renew_at(jitter).duration_since(now).unwrap().as_secs_f64() / lifetime.as_secs_f64();
        for (jitter, expected) in [(0.0, 0.6166), (0.5, 0.6666), (1.0, 0.7166), (9.0, 0.7166), (f64::NAN, 0.6666)] {
            assert!((share(jitter) - expected).abs() < 0.001, "{lifetime:?} {jitter}: {}", share(jitter));
        }
    }
}

#[test]
fn a_certificate_that_was_not_backdated_is_renewed_in_its_life() {
    let svid = Svid { not_after: SystemTime::UNIX_EPOCH, not_before: SystemTime::UNIX_EPOCH, ..issued_now() };
    let svid = Svid { not_after: svid.not_before + Duration::from_secs(30), ..svid };
    assert_eq!(svid.renew_at(0.5).duration_since(svid.not_before).unwrap().as_secs(), 20);
}

#[test]
fn the_cell_gives_what_was_set() {
    let cell = SvidCell::new();
    assert!(cell.get().is_none());
    let svid = issued_now();
    let id = svid.id().clone();
    cell.set(svid);
    assert_eq!(cell.get().unwrap().id(), &id);
}

fn issued_now() -> Svid {
    issued(SystemTime::now(), Duration::from_hours(24))
}
