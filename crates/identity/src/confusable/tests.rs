use super::*;

fn domain(name: &str) -> TrustDomain {
    TrustDomain::new(name).unwrap()
}

#[test]
fn names_that_look_alike_are_confusable() {
    let alike = [
        ("west.local", "west.local."),
        ("west.local", "west..local"),
        ("west.local", "westlocal"),
        ("west.local", ".west.local"),
        ("west-coast.local", "westcoast.local"),
        ("west-coast.local", "west_coast.local"),
        ("west-coast.local", "west.coast.local"),
        ("west--coast.local", "west-coast.local"),
        ("zone.local", "z0ne.local"),
        ("mesh1.local", "meshl.local"),
        ("mesh1.local", "mesh-i.local"),
        ("isthmus.local", "lsthmus.local"),
        ("modern.local", "rnodern.local"),
        ("modern.local", "modem.local"),
        ("west.local", "vvest.local"),
        ("m1-12.local", "m1.12.local"),
    ];
    for (a, b) in alike {
        assert!(confusable(&domain(a), &domain(b)) && confusable(&domain(b), &domain(a)), "{a} {b}");
    }
}

#[test]
fn names_that_look_different_are_not() {
    let different = [
        ("west.local", "west.local"),
        ("west.local", "east.local"),
        ("west.local", "west.example"),
        ("west1.local", "west2.local"),
        ("m1-12.local", "m11-2.local"),
        ("m1-12.local", "m112.local"),
        ("a.local", "b.local"),
        ("prod.west.local", "west.prod.local"),
    ];
    for (a, b) in different {
        assert!(!confusable(&domain(a), &domain(b)), "{a} {b}");
    }
}

#[test]
fn a_peers_trust_domain_has_one_spelling() {
    for good in ["west.local", "west", "w-1.example.com", "a_b.local", "0"] {
        assert_eq!(trust_domain_fault(good), None, "{good}");
    }
    let long = "a".repeat(256);
    let bad = [
        ("", "empty"),
        (long.as_str(), "256 bytes"),
        ("West.local", "lower-case: west.local"),
        ("west.local.", "dot"),
        (".west.local", "dot"),
        ("west..local", "dot"),
        ("wеst.local", "U+0435"),
        ("ｗest.local", "U+FF57"),
        ("west\u{200b}.local", "U+200B"),
        ("west.local ", "U+0020"),
        ("west.local\n", "U+000A"),
        ("spiffe://west.local", "without spiffe://"),
        ("west.local/ns", "without spiffe://"),
        ("west.local:8443", "a-z"),
        ("west-.local", "begins or ends"),
        ("_west.local", "begins or ends"),
    ];
    for (name, part) in bad {
        let fault = trust_domain_fault(name).unwrap_or_else(|| panic!("{name} has no fault"));
        assert!(fault.contains(part) && fault.is_ascii(), "{name}: {fault}");
    }
}
