use std::time::Duration;

use super::*;
use crate::Authority;

const HOUR: Duration = Duration::from_hours(1);

fn domain() -> TrustDomain {
    TrustDomain::new("a.test").unwrap()
}

fn root(lifetime: Duration) -> Authority {
    Authority::generate(domain(), SystemTime::now(), lifetime).unwrap()
}

/// The bundle of these roots, signed by those.
fn signed(sequence: u64, roots: &[&Authority], signers: &[&Authority]) -> SignedBundle {
    let roots = roots.iter().map(|root| root.certificate().clone()).collect();
    SignedBundle::sign(&Bundle { trust_domain: domain(), roots, sequence }, HOUR, signers).unwrap()
}

fn held(signed: &SignedBundle) -> HeldBundle {
    HeldBundle::restore(domain(), signed.document.clone()).unwrap()
}

/// A mesh that went from one root to the next.
fn rotated() -> (Authority, Authority, [SignedBundle; 3]) {
    let (a, b) = (root(HOUR * 24), root(HOUR * 48));
    let links = [signed(1, &[&a], &[&a]), signed(2, &[&a, &b], &[&a, &b]), signed(3, &[&b], &[&b])];
    (a, b, links)
}

fn chain(links: &[SignedBundle]) -> Chain {
    Chain::new(links.to_vec()).unwrap()
}

#[test]
fn each_bundle_is_believed_by_the_one_before() {
    let (_, b, [first, second, third]) = rotated();
    let now = SystemTime::now();
    let next = held(&first).advance(&second, now).unwrap();
    assert_eq!((next.sequence(), next.bundle().roots.len()), (2, 2));
    let last = next.advance(&third, now).unwrap();
    assert_eq!(last.bundle(), &b.bundle(3));
    assert_eq!(last.document(), third.document);
    // Without the one between, nobody that is known vouches.
    let gap = held(&first).advance(&third, now).unwrap_err();
    assert_eq!(gap, BundleRefused::NotVouched { domain: domain(), held: 1 });
}

#[test]
fn the_same_bundle_once_more_changes_nothing() {
    let (_, _, [first, ..]) = rotated();
    let unsigned = SignedBundle { signatures: vec![], ..first.clone() };
    for same in [first.clone(), unsigned] {
        assert_eq!(held(&first).advance(&same, SystemTime::now()), Ok(held(&first)));
    }
}

#[test]
fn a_chain_leads_from_any_of_its_bundles_to_the_newest() {
    let (_, _, links) = rotated();
    let mut backwards = links.clone();
    backwards.reverse();
    for start in &links {
        for chain in [chain(&links), chain(&backwards)] {
            let advanced = held(start).advance_all(&chain, SystemTime::now());
            assert_eq!(advanced, Advanced { held: held(&links[2]), refused: None });
        }
    }
    let nothing = held(&links[1]).advance_all(&Chain::default(), SystemTime::now());
    assert_eq!(nothing, Advanced { held: held(&links[1]), refused: None });
}

#[test]
fn a_bad_link_is_told_of_and_does_not_hold_up_good_ones() {
    let (_, _, links) = rotated();
    let stranger = root(HOUR);
    let forged = signed(9, &[&stranger], &[&stranger]);
    let unreadable = SignedBundle { document: b"{}".to_vec(), ..forged.clone() };
    for bad in [forged, unreadable] {
        for position in 0..=links.len() {
            let mut mixed = links.to_vec();
            mixed.insert(position, bad.clone());
            let advanced = held(&links[0]).advance_all(&chain(&mixed), SystemTime::now());
            assert_eq!(advanced.held, held(&links[2]));
            let blamed = advanced.refused;
            assert!(
                matches!(blamed, Some(BundleRefused::NotVouched { .. } | BundleRefused::Document(_))),
                "{blamed:?}"
            );
        }
    }
}

#[test]
fn a_chain_that_ends_in_the_past_is_a_rollback() {
    let (_, _, links) = rotated();
    let advanced = held(&links[2]).advance_all(&chain(&links[..2]), SystemTime::now());
    let rollback = BundleRefused::Rollback { domain: domain(), held: 3, given: 2 };
    assert_eq!(advanced, Advanced { held: held(&links[2]), refused: Some(rollback) });
}

#[test]
fn the_first_bundle_is_taken_by_its_digest() {
    let (_, _, links) = rotated();
    for (n, link) in links.iter().enumerate() {
        let pin = held(link).digest();
        let joined = HeldBundle::join(&domain(), pin, &chain(&links), SystemTime::now()).unwrap();
        assert_eq!(joined, Advanced { held: held(&links[2]), refused: None });
        let before = HeldBundle::join(&domain(), pin, &chain(&links[..n]), SystemTime::now()).unwrap_err();
        let found = n.checked_sub(1).map(|n| held(&links[n]).digest());
        assert_eq!(before, BundleRefused::NotPinned { domain: domain(), pin, found });
    }
}

#[test]
fn the_first_bundle_is_signed_by_its_own_roots() {
    let a = root(HOUR);
    let honest = signed(1, &[&a], &[&a]);
    let pin = held(&honest).digest();
    // The roots are the right ones, but the sequence is one that no later bundle can reach.
    let document = String::from_utf8(honest.document.clone()).unwrap();
    let document = document.replace("\"spiffe_sequence\":1", "\"spiffe_sequence\":18446744073709551615");
    let made_up = SignedBundle { document: document.into_bytes(), ..honest.clone() };
    let refused = HeldBundle::join(&domain(), pin, &chain(std::slice::from_ref(&made_up)), SystemTime::now());
    assert!(matches!(refused, Err(BundleRefused::NotVouched { .. })), "{refused:?}");
    let joined = HeldBundle::join(&domain(), pin, &chain(&[made_up, honest.clone()]), SystemTime::now()).unwrap();
    assert_eq!(joined.held, held(&honest));
}

#[test]
fn an_expired_root_vouches_for_nothing() {
    let (_, _, [first, second, third]) = rotated();
    let later = SystemTime::now() + HOUR * 25;
    let refused = held(&first).advance(&second, later).unwrap_err();
    assert_eq!(refused, BundleRefused::RootNotValidNow { domain: domain(), held: 1 });
    // The other root of the bundle held is valid still.
    assert_eq!(held(&second).advance(&third, later), Ok(held(&third)));
    let pin = held(&first).digest();
    let joined = HeldBundle::join(&domain(), pin, &chain(&[first]), later).unwrap_err();
    assert!(matches!(joined, BundleRefused::RootNotValidNow { .. }), "{joined:?}");
}

#[test]
fn a_bundle_without_a_sequence_is_not_held() {
    let a = root(HOUR);
    let document = String::from_utf8(signed(1, &[&a], &[&a]).document).unwrap();
    let document = document.replace("\"spiffe_sequence\":1,", "");
    assert_eq!(HeldBundle::restore(domain(), document.into_bytes()), Err(BundleRefused::NoSequence(domain())));
}

#[test]
fn what_is_shown_is_short() {
    let (_, _, links) = rotated();
    let first = held(&links[0]);
    let shown = format!("{first:?} {:?} {:?}", chain(&links), links[1].signatures);
    assert!(shown.len() < 1000 && shown.contains(&first.digest().to_string()), "{shown}");
}
