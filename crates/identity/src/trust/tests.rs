use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::*;
use crate::{Authority, MAX_ROOT, MAX_ROOTS};

fn domain(name: &str) -> TrustDomain {
    TrustDomain::new(name).unwrap()
}

fn bundle(name: &str) -> Bundle {
    Authority::generate(domain(name), SystemTime::now(), Duration::from_hours(1)).unwrap().bundle(1)
}

#[test]
fn a_replacement_is_whole_and_what_it_leaves_out_is_distrusted() {
    let (a, b) = (bundle("a.test"), bundle("b.test"));
    let store = TrustStore::with(&[b.clone(), a.clone()]).unwrap();
    assert_eq!(store.bundles(), [a.clone(), b.clone()]);
    store.replace(std::slice::from_ref(&b)).unwrap();
    assert!(!store.trusts(&domain("a.test")) && store.trusts(&domain("b.test")));
}

#[test]
fn a_bad_bundle_changes_nothing() {
    let (a, b) = (bundle("a.test"), bundle("b.test"));
    let store = TrustStore::with(std::slice::from_ref(&a)).unwrap();
    let with_roots = |roots: Vec<CertificateDer<'static>>| Bundle { roots, ..b.clone() };
    let root = b.roots[0].clone();
    let bad = [
        with_roots(vec![]),
        with_roots(vec![root.clone(); MAX_ROOTS + 1]),
        with_roots(vec![root.clone(), CertificateDer::from(vec![1, 2, 3])]),
        with_roots(vec![CertificateDer::from(vec![0; MAX_ROOT + 1])]),
        with_roots(a.roots.clone()),
        a.clone(),
    ];
    for bad in bad {
        let error = store.replace(&[a.clone(), bad]).unwrap_err();
        assert_eq!(store.bundles(), std::slice::from_ref(&a), "{error}");
    }
    assert!(matches!(store.replace(&vec![a; MAX_DOMAINS + 1]), Err(BadBundle::TooManyDomains(_))));
}

#[test]
fn a_bundle_reads_back_from_pem() {
    let mut both = bundle("a.test");
    both.roots.extend(bundle("a.test").roots);
    let text = both.to_pem();
    assert_eq!(Bundle::from_pem(domain("a.test"), &text, 1).unwrap(), both);
    assert!(matches!(Bundle::from_pem(domain("a.test"), "", 1), Err(BadBundle::Empty(_))));
    let cut = text.replace("-----END", "-----FIN");
    assert!(Bundle::from_pem(domain("a.test"), &cut, 1).is_err());
}

#[test]
fn an_overtaken_bundle_changes_nothing() {
    let at = |sequence: u64| Bundle { sequence, ..bundle("a.test") };
    let (first, second, third) = (at(1), at(2), at(2));
    let store = TrustStore::with(std::slice::from_ref(&second)).unwrap();
    let error = store.advance(std::slice::from_ref(&first)).unwrap_err();
    assert_eq!(error, BadBundle::Overtaken { domain: domain("a.test"), held: 2, given: 1 });
    assert_eq!(store.bundle(&domain("a.test")), Some(second));
    store.advance(std::slice::from_ref(&third)).unwrap();
    assert_eq!(store.bundle(&domain("a.test")), Some(third));
    // Another domain's sequence is another count.
    store.advance(&[bundle("b.test")]).unwrap();
    assert_eq!(store.bundle(&domain("a.test")), None);
}

#[test]
fn one_domain_changes_and_the_others_stay() {
    let at = |name: &str, sequence| Bundle { sequence, ..bundle(name) };
    let (a, b, newer) = (at("a.test", 1), at("b.test", 2), at("b.test", 3));
    let store = TrustStore::new();
    store.upsert(&a).unwrap();
    store.upsert(&b).unwrap();
    store.upsert(&newer).unwrap();
    assert_eq!(store.bundles(), [a.clone(), newer.clone()]);
    let error = store.upsert(&b).unwrap_err();
    assert_eq!(error, BadBundle::Overtaken { domain: domain("b.test"), held: 3, given: 2 });
    assert!(store.upsert(&Bundle { roots: b.roots.clone(), ..at("c.test", 1) }).is_err());
    assert_eq!(store.bundles(), [a, newer.clone()]);
    assert!(store.remove(&domain("a.test")) && !store.remove(&domain("a.test")));
    assert_eq!(store.bundles(), [newer]);
    // Whoever was distrusted begins anew.
    store.remove(&domain("b.test"));
    store.upsert(&b).unwrap();
    assert_eq!(store.bundles(), [b]);
}

#[test]
fn changes_of_single_domains_at_the_same_time_are_all_kept() {
    let bundles: Vec<_> = (0..8).map(|n| bundle(&format!("m{n}.test"))).collect();
    let store = TrustStore::new();
    std::thread::scope(|threads| {
        for bundle in &bundles {
            threads.spawn(|| store.upsert(bundle).unwrap());
        }
    });
    assert_eq!(store.bundles(), bundles);
}

#[test]
fn there_are_only_so_many_domains() {
    let roots = bundle("a.test").roots;
    // A root without a name of its own would do for any domain; one key for all saves a thousand of them.
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let nameless = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone();
    let of =
        |n: usize| Bundle { trust_domain: domain(&format!("m{n}.test")), roots: vec![nameless.clone()], sequence: 1 };
    let store = TrustStore::with(&(0..MAX_DOMAINS).map(of).collect::<Vec<_>>()).unwrap();
    assert_eq!(store.upsert(&of(MAX_DOMAINS)), Err(BadBundle::TooManyDomains(MAX_DOMAINS + 1)));
    store.upsert(&Bundle { sequence: 2, ..of(0) }).unwrap();
    assert!(store.upsert(&Bundle { roots, ..of(0) }).is_err());
}
