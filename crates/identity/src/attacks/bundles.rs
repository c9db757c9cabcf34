//! What a hub, or whoever sits between two meshes, may try with their bundles.

use std::time::{Duration, SystemTime};

use isthmus_core::id::TrustDomain;

use crate::{
    Authority, BadBundle, BadDocument, Bundle, BundleDigest, BundleRefused, Chain, Document, HeldBundle, Keypair,
    MAX_DOCUMENT, MAX_LINKS, MAX_ROOT_SIGNATURE, MAX_ROOTS, RootSignature, SignedBundle, Svid, statement::Statement,
};

const HOUR: Duration = Duration::from_hours(1);

fn domain(name: &str) -> TrustDomain {
    TrustDomain::new(name).unwrap()
}

fn root(name: &str) -> Authority {
    Authority::generate(domain(name), SystemTime::now(), HOUR).unwrap()
}

fn bundle(sequence: u64, roots: &[&Authority]) -> Bundle {
    let certificates = roots.iter().map(|root| root.certificate().clone()).collect();
    Bundle { trust_domain: roots[0].trust_domain().clone(), roots: certificates, sequence }
}

fn signed(sequence: u64, roots: &[&Authority]) -> SignedBundle {
    SignedBundle::sign(&bundle(sequence, roots), HOUR, roots).unwrap()
}

/// A document with the signatures of these roots, and the names of those: what an honest signer would never make.
fn forged(of: &TrustDomain, document: Vec<u8>, signers: &[(&Authority, &Authority)]) -> SignedBundle {
    let statement = Statement::new("bundle", [of.as_str().as_bytes(), document.as_slice()]);
    let sign = |(key, named): &(&Authority, &Authority)| RootSignature {
        root: named.root(),
        signature: key.sign(&statement).unwrap(),
    };
    SignedBundle { trust_domain: of.clone(), document, signatures: signers.iter().map(sign).collect() }
}

/// Shows a bundle to a peer that holds this one, alone and in a chain; gives why it was refused.
#[track_caller]
fn refusal(held: &SignedBundle, shown: &SignedBundle) -> BundleRefused {
    let held = HeldBundle::restore(held.trust_domain.clone(), held.document.clone()).unwrap();
    let alone = held.advance(shown, SystemTime::now()).unwrap_err();
    let chain = held.advance_all(&Chain::new(vec![shown.clone()]).unwrap(), SystemTime::now());
    assert_eq!((chain.held, chain.refused), (held, Some(alone.clone())));
    alone
}

fn not_vouched(held: u64) -> BundleRefused {
    BundleRefused::NotVouched { domain: domain("a.test"), held }
}

#[test]
fn a_bundle_swapped() {
    let (a, hubs) = (root("a.test"), root("a.test"));
    let (honest, swapped) = (signed(1, &[&a]), signed(2, &[&hubs]));
    assert_eq!(refusal(&honest, &swapped), not_vouched(1));
    // The hub's root beside the honest one, in a document that says that the honest one signed.
    let both = bundle(2, &[&a, &hubs]);
    let document = Document::of(&both, HOUR).unwrap().into_bytes();
    assert_eq!(refusal(&honest, &forged(&domain("a.test"), document, &[(&hubs, &a), (&hubs, &hubs)])), not_vouched(1));
}

#[test]
fn a_bundle_swapped_at_the_first_contact() {
    let (a, hubs) = (root("a.test"), root("a.test"));
    let pin = BundleDigest::of(&bundle(1, &[&a]));
    let swapped = Chain::new(vec![signed(1, &[&hubs]), signed(2, &[&hubs, &a])]).unwrap();
    let found = Some(BundleDigest::of(&bundle(2, &[&hubs, &a])));
    let refused = HeldBundle::join(&domain("a.test"), pin, &swapped, SystemTime::now()).unwrap_err();
    assert_eq!(refused, BundleRefused::NotPinned { domain: domain("a.test"), pin, found });
    // Nor are the right roots believed as those of another domain: B can't be joined by A's invitation.
    let refused =
        HeldBundle::join(&domain("b.test"), pin, &Chain::new(vec![signed(1, &[&a])]).unwrap(), SystemTime::now());
    assert!(matches!(refused, Err(BundleRefused::OtherDomain { .. })), "{refused:?}");
}

#[test]
fn a_bundle_replayed() {
    let (a, b) = (root("a.test"), root("a.test"));
    let (first, second, third) = (signed(1, &[&a]), signed(2, &[&a, &b]), signed(3, &[&b]));
    for (old, given) in [(&first, 1), (&second, 2)] {
        let rollback = BundleRefused::Rollback { domain: domain("a.test"), held: 3, given };
        assert_eq!(refusal(&third, old), rollback);
    }
}

#[test]
fn a_bundle_rolled_back_under_a_new_sequence() {
    let (a, b) = (root("a.test"), root("a.test"));
    let (first, second, third) = (signed(1, &[&a]), signed(2, &[&a, &b]), signed(3, &[&b]));
    for (old, old_sequence) in [(&first, 1), (&second, 2)] {
        let document = String::from_utf8(old.document.clone()).unwrap();
        let renumbered =
            document.replace(&format!("\"spiffe_sequence\":{old_sequence}"), "\"spiffe_sequence\":9").into_bytes();
        assert_ne!(renumbered, old.document);
        assert_eq!(refusal(&third, &SignedBundle { document: renumbered, ..old.clone() }), not_vouched(3));
    }
}

#[test]
fn a_bundle_altered() {
    let a = root("a.test");
    let (held, next) = (signed(1, &[&a]), signed(2, &[&a]));
    let spaced = SignedBundle { document: [next.document.as_slice(), b" "].concat(), ..next.clone() };
    let others = SignedBundle { signatures: held.signatures.clone(), ..next.clone() };
    let unsigned = SignedBundle { signatures: vec![], ..next.clone() };
    for altered in [spaced, others, unsigned] {
        assert_eq!(refusal(&held, &altered), not_vouched(1));
    }
    for position in 0..next.signatures[0].signature.len() {
        let mut broken = next.clone();
        broken.signatures[0].signature[position] ^= 1;
        assert_eq!(refusal(&held, &broken), not_vouched(1));
    }
}

#[test]
fn two_bundles_of_one_sequence() {
    let (a, b, thiefs) = (root("a.test"), root("a.test"), root("a.test"));
    let held = signed(2, &[&a, &b]);
    let document = Document::of(&bundle(2, &[&a, &thiefs]), HOUR).unwrap().into_bytes();
    // By whoever has stolen the key: now it is known.
    let second = forged(&domain("a.test"), document.clone(), &[(&a, &a)]);
    assert_eq!(refusal(&held, &second), BundleRefused::Equivocation { domain: domain("a.test"), sequence: 2 });
    // By who hasn't, it says nothing of the mesh.
    assert_eq!(refusal(&held, &forged(&domain("a.test"), document, &[(&thiefs, &a)])), not_vouched(2));
}

#[test]
fn a_bundle_signed_by_a_retired_root() {
    let (retired, present) = (root("a.test"), root("a.test"));
    let document = |roots| Document::of(&bundle(9, roots), HOUR).unwrap().into_bytes();
    for roots in [&[&retired][..], &[&present, &retired], &[&present]] {
        let back = forged(&domain("a.test"), document(roots), &[(&retired, &retired), (&retired, &present)]);
        assert_eq!(refusal(&signed(3, &[&present]), &back), not_vouched(3));
    }
}

#[test]
fn a_bundle_signed_by_a_leaf() {
    let a = root("a.test");
    let keypair = Keypair::generate().unwrap();
    let id = "spiffe://a.test/ns/isthmus-system/sa/isthmus-controller".parse().unwrap();
    let now = SystemTime::now();
    let controller = Svid::new(a.issue(&keypair.csr().unwrap(), &id, now, HOUR).unwrap().chain, &keypair).unwrap();
    let next = signed(2, &[&a]);
    let sealed = controller.seal("bundle", next.document.clone()).unwrap();
    let signatures = vec![RootSignature { root: a.root(), signature: sealed.signature }];
    assert_eq!(refusal(&signed(1, &[&a]), &SignedBundle { signatures, ..next }), not_vouched(1));
}

#[test]
fn a_bundle_of_b_as_that_of_a() {
    let (a, b) = (root("a.test"), root("b.test"));
    let (held, foreign) = (signed(1, &[&a]), signed(2, &[&b]));
    let other = BundleRefused::OtherDomain { domain: domain("a.test"), given: domain("b.test") };
    assert_eq!(refusal(&held, &foreign), other);
    // Its roots name their domain.
    let relabelled = SignedBundle { trust_domain: domain("a.test"), ..foreign };
    assert!(names_another_domain(&refusal(&held, &relabelled)));
}

#[test]
fn a_bundle_with_an_extra_root_of_another_domain() {
    let (a, b) = (root("a.test"), root("b.test"));
    let extra = bundle(2, &[&a, &b]);
    assert!(matches!(Document::of(&extra, HOUR), Err(BadDocument::Bundle(BadBundle::Root { index: 1, .. }))));
    // A mesh that signs such a thing nevertheless.
    let entries = [&a, &b].map(|root| Document::of(&root.bundle(2), HOUR).unwrap());
    let keys = entries.map(|text| text.split_once('[').unwrap().1.rsplit_once(']').unwrap().0.to_owned());
    let document = format!("{{\"keys\":[{}],\"spiffe_sequence\":2}}", keys.join(",")).into_bytes();
    assert!(names_another_domain(&refusal(&signed(1, &[&a]), &forged(&domain("a.test"), document, &[(&a, &a)]))));
}

fn names_another_domain(refused: &BundleRefused) -> bool {
    let BundleRefused::Document(BadDocument::Bundle(BadBundle::Root { fault, .. })) = refused else { return false };
    *fault == "names another trust domain"
}

#[test]
fn oversized_bundles() {
    let a = root("a.test");
    let (held, next) = (signed(1, &[&a]), signed(2, &[&a]));
    let peer = HeldBundle::restore(domain("a.test"), held.document.clone()).unwrap();
    let signature = &next.signatures[0];
    let long = |length| RootSignature { signature: vec![0; length], ..signature.clone() };
    let padded = [next.document.as_slice(), &vec![b' '; MAX_DOCUMENT]].concat();
    let oversized = [
        SignedBundle { document: padded, ..next.clone() },
        SignedBundle { signatures: vec![signature.clone(); MAX_ROOTS + 1], ..next.clone() },
        SignedBundle { signatures: vec![signature.clone(), long(MAX_ROOT_SIGNATURE + 1)], ..next.clone() },
    ];
    for bundle in oversized {
        let refused = peer.advance(&bundle, SystemTime::now()).unwrap_err();
        assert!(matches!(refused, BundleRefused::Oversized { .. }), "{refused:?}");
        assert_eq!(Chain::new(vec![held.clone(), bundle]), Err(refused));
    }
    assert!(matches!(Chain::new(vec![next; MAX_LINKS + 1]), Err(BundleRefused::Oversized { .. })));
}
