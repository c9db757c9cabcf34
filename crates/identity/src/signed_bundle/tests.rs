use std::time::SystemTime;

use super::*;
use crate::HeldBundle;

const HOUR: Duration = Duration::from_hours(1);

fn authority(domain: &str) -> Authority {
    Authority::generate(TrustDomain::new(domain).unwrap(), SystemTime::now(), HOUR).unwrap()
}

fn signed(authority: &Authority, sequence: u64) -> SignedBundle {
    SignedBundle::sign(&authority.bundle(sequence), HOUR, &[authority]).unwrap()
}

#[test]
fn only_roots_of_the_domain_sign_its_bundle() {
    let (ours, theirs) = (authority("a.test"), authority("b.test"));
    let bundle = ours.bundle(1);
    let foreign = SignedBundle::sign(&bundle, HOUR, &[&ours, &theirs]);
    assert!(matches!(foreign, Err(SignFailed::ForeignSigner { .. })));
    assert!(matches!(SignedBundle::sign(&bundle, HOUR, &[]), Err(SignFailed::NoSigner(_))));
    let bad = Bundle { roots: vec![], ..bundle };
    assert!(matches!(SignedBundle::sign(&bad, HOUR, &[&ours]), Err(SignFailed::Document(_))));
}

#[test]
fn roots_of_every_kind_of_key_can_sign() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
    let domain = TrustDomain::new("a.test").unwrap();
    for kind in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let key = KeyPair::generate_for(kind).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI("spiffe://a.test".try_into().unwrap())];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        let root = Authority::from_pem(&domain, &certificate, &key.serialize_pem(), SystemTime::now()).unwrap();
        let (first, second) = (signed(&root, 1), signed(&root, 2));
        let held = HeldBundle::restore(domain.clone(), first.document).unwrap();
        assert_eq!(held.advance(&second, SystemTime::now()).unwrap().sequence(), 2, "{kind:?}");
        let mut broken = second;
        *broken.signatures[0].signature.last_mut().unwrap() ^= 1;
        assert!(matches!(held.advance(&broken, SystemTime::now()), Err(BundleRefused::NotVouched { .. })), "{kind:?}");
    }
}

#[test]
fn a_chain_forgets_its_oldest_links() {
    let root = authority("a.test");
    let mut chain = Chain::default();
    let links: Vec<_> = (0..40).map(|sequence| signed(&root, sequence)).collect();
    links.iter().cloned().for_each(|link| chain.push(link));
    assert_eq!(chain.links(), &links[40 - MAX_LINKS..]);
    assert_eq!(chain.newest(), links.last());
    assert_eq!(Chain::new(chain.links().to_vec()), Ok(chain));
    let long = SignedBundle { document: vec![b' '; MAX_DOCUMENT], ..links[0].clone() };
    let mut chain = Chain::default();
    (0..4).for_each(|_| chain.push(long.clone()));
    assert_eq!(chain.links().len(), 1);
}

#[test]
fn a_chain_that_is_too_much_is_not_read() {
    let link = signed(&authority("a.test"), 1);
    let signature = link.signatures[0].clone();
    let with = |document: usize, signatures: usize, bytes: usize| SignedBundle {
        document: vec![b' '; document],
        signatures: vec![RootSignature { signature: vec![0; bytes], ..signature.clone() }; signatures],
        ..link.clone()
    };
    let oversized = |links: Vec<SignedBundle>| match Chain::new(links) {
        Err(BundleRefused::Oversized { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(oversized(vec![with(MAX_DOCUMENT + 1, 1, 70)]), "bytes of a document");
    assert_eq!(oversized(vec![with(9, MAX_ROOTS + 1, 70)]), "signatures");
    assert_eq!(oversized(vec![with(9, 1, MAX_ROOT_SIGNATURE + 1)]), "bytes of a signature");
    assert_eq!(oversized(vec![with(9, 1, 70); MAX_LINKS + 1]), "links of a chain");
    assert_eq!(oversized(vec![with(MAX_DOCUMENT, 1, 70); 2]), "bytes of a chain");
    assert!(Chain::new(vec![with(MAX_DOCUMENT, MAX_ROOTS, MAX_ROOT_SIGNATURE)]).is_ok());
}
