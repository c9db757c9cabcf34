use std::time::{Duration, SystemTime};

use isthmus_core::id::TrustDomain;

use super::*;
use crate::Authority;

fn bundle(domain: &str) -> Bundle {
    let domain = TrustDomain::new(domain).unwrap();
    Authority::generate(domain, SystemTime::now(), Duration::from_hours(1)).unwrap().bundle(1)
}

#[test]
fn a_digest_tells_bundles_apart_by_their_roots_and_domain_alone() {
    let mut both = bundle("a.test");
    both.roots.extend(bundle("a.test").roots);
    let digest = BundleDigest::of(&both);
    let reordered = Bundle { roots: both.roots.iter().rev().cloned().collect(), ..both.clone() };
    let later = Bundle { sequence: 9, ..both.clone() };
    let twice = Bundle { roots: [both.roots.clone(), both.roots.clone()].concat(), ..both.clone() };
    assert_eq!([reordered, later, twice].map(|same| BundleDigest::of(&same)), [digest; 3]);
    let fewer = Bundle { roots: both.roots[..1].to_vec(), ..both.clone() };
    let elsewhere = Bundle { trust_domain: TrustDomain::new("b.test").unwrap(), ..both.clone() };
    for other in [fewer, elsewhere, bundle("a.test")] {
        assert_ne!(BundleDigest::of(&other), digest);
    }
}

#[test]
fn its_text_reads_back_and_no_other_text_does() {
    let digest = BundleDigest::of(&bundle("a.test"));
    let text = digest.to_string();
    assert_eq!((text.len(), text.parse()), (71, Ok(digest)));
    assert_eq!(text.to_uppercase().replace("SHA256", "sha256").parse(), Ok(digest));
    let hex = &text[7..];
    let bad = [
        String::new(),
        hex.to_owned(),
        format!("sha512:{hex}"),
        format!("sha256:{hex}0"),
        format!("sha256:{}", &hex[1..]),
    ];
    for bad in bad.into_iter().chain([
        format!("sha256:{}g", &hex[1..]),
        format!("sha256:+{}", &hex[1..]),
        format!("sha256:é{}", &hex[2..]),
    ]) {
        assert!(bad.parse::<BundleDigest>().is_err(), "{bad}");
    }
    let long = "x".repeat(1 << 20).parse::<BundleDigest>().unwrap_err();
    assert!(long.to_string().len() < 200);
}
