use isthmus_core::id::TrustDomain;

use super::*;
use crate::{Authority, Keypair};

const HOUR: Duration = Duration::from_hours(1);
const CATALOG: &str = "catalog";
const CONTROLLER: &str = "spiffe://a.test/ns/isthmus-system/sa/isthmus-controller";

fn sender(authority: &Authority, now: SystemTime) -> Svid {
    let keypair = Keypair::generate().unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), &CONTROLLER.parse().unwrap(), now, HOUR).unwrap();
    Svid::new(issued.chain, &keypair).unwrap()
}

#[test]
fn what_was_sealed_is_opened_while_its_certificate_lasts() {
    let now = SystemTime::now();
    let authority = Authority::generate(TrustDomain::new("a.test").unwrap(), now, HOUR * 24).unwrap();
    let trusted = TrustStore::with(&[authority.bundle(1)]).unwrap();
    let svid = sender(&authority, now);
    for payload in [&b""[..], b"prices: 3 endpoints", &[7; 100_000]] {
        let sealed = svid.seal(CATALOG, payload.to_vec()).unwrap();
        assert_eq!(sealed.open(CATALOG, &trusted, svid.id(), now), Ok(payload));
        let late = sealed.open(CATALOG, &trusted, svid.id(), now + HOUR * 2);
        assert!(matches!(late, Err(SealRefused::Certificate(Refused::Expired { .. }))), "{late:?}");
        let early = sealed.open(CATALOG, &trusted, svid.id(), now - HOUR);
        assert!(matches!(early, Err(SealRefused::Certificate(Refused::NotYet { .. }))), "{early:?}");
    }
    let sealed = svid.seal(CATALOG, b"secret plans".to_vec()).unwrap();
    assert_eq!(format!("{sealed:?}"), "Sealed(12 bytes, 1 certificates)");
    trusted.remove(svid.id().trust_domain());
    let revoked = sealed.open(CATALOG, &trusted, svid.id(), now);
    assert!(matches!(revoked, Err(SealRefused::Certificate(Refused::UnknownDomain(_)))), "{revoked:?}");
}

#[test]
fn clocks_of_two_meshes_may_differ_by_five_minutes() {
    let now = SystemTime::now();
    let ahead = now + Duration::from_mins(5);
    let authority = Authority::generate(TrustDomain::new("a.test").unwrap(), ahead, HOUR * 24).unwrap();
    let trusted = TrustStore::with(&[authority.bundle(1)]).unwrap();
    let sealed = sender(&authority, ahead).seal(CATALOG, b"fresh".to_vec()).unwrap();
    assert_eq!(sealed.open(CATALOG, &trusted, &CONTROLLER.parse().unwrap(), now), Ok(&b"fresh"[..]));
}

#[test]
fn what_is_too_long_is_not_sealed() {
    let now = SystemTime::now();
    let authority = Authority::generate(TrustDomain::new("a.test").unwrap(), now, HOUR * 24).unwrap();
    let refused = sender(&authority, now).seal(CATALOG, vec![0; MAX_PAYLOAD + 1]);
    assert!(matches!(refused, Err(SealFailed::TooLong(_))));
}
