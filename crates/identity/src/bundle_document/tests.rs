use std::time::SystemTime;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType, SignatureAlgorithm,
};
use rustls_pki_types::CertificateDer;
use serde_json::json;

use super::*;
use crate::Authority;

const HINT: Duration = Duration::from_mins(5);

fn domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

/// A root as SPIRE makes them: self-signed, `C=US, O=SPIFFE`, the trust domain as its one URI.
fn root(algorithm: &'static SignatureAlgorithm, uri: &str) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params.distinguished_name.push(DnType::OrganizationName, "SPIFFE");
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.self_signed(&key).unwrap().der().clone(), key)
}

fn spire_root() -> (CertificateDer<'static>, KeyPair) {
    root(&rcgen::PKCS_ECDSA_P384_SHA384, "spiffe://example.org")
}

/// An entry as go-jose writes it, which SPIRE uses.
fn entry(root: &CertificateDer<'_>, key: &KeyPair) -> Value {
    let point = &key.der_bytes()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    let crv = if x.len() == 32 { "P-256" } else { "P-384" };
    let [x, y] = [x, y].map(|n| URL_SAFE_NO_PAD.encode(n));
    json!({"use": "x509-svid", "kty": "EC", "crv": crv, "x": x, "y": y, "x5c": [STANDARD.encode(root)]})
}

fn read(document: &Value) -> Result<Document, BadDocument> {
    Document::read(domain(), document.to_string().as_bytes())
}

fn fault(document: &Value) -> String {
    read(document).unwrap_err().to_string()
}

#[test]
fn what_spire_serves_is_read() {
    let (first, second) = (spire_root(), root(&rcgen::PKCS_ECDSA_P256_SHA256, "spiffe://example.org"));
    let jwt = json!({"use": "jwt-svid", "kty": "EC", "kid": "C6vs25welZOx6WksNYfbMfiw9l96pMnD", "crv": "P-256",
        "x": "ngLYQnlfF6GsojUwqtcEE3WgTNG2RUlsGhK73RNEl5k", "y": "tKbiDSUSsQ3F1P7wteeHNXIcU-cx6CgSbroeQrQHTLM"});
    let document = json!({
        "keys": [entry(&first.0, &first.1), jwt, entry(&second.0, &second.1)],
        "spiffe_sequence": 12, "spiffe_refresh_hint": 300,
    });
    let read = read(&document).unwrap();
    let bundle = Bundle { trust_domain: domain(), roots: vec![first.0, second.0], sequence: 12 };
    assert_eq!(read, Document { bundle, sequence: Some(12), refresh_hint: Some(HINT) });
}

#[test]
fn what_we_write_is_the_same_each_time_and_reads_back() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let roots = vec![root(algorithm, "spiffe://example.org").0, spire_root().0];
        let bundle = Bundle { trust_domain: domain(), roots, sequence: u64::MAX };
        let text = Document::of(&bundle, HINT).unwrap();
        assert_eq!(text, Document::of(&bundle, HINT).unwrap());
        let read = Document::read(domain(), text.as_bytes()).unwrap();
        assert_eq!(read, Document { bundle, sequence: Some(u64::MAX), refresh_hint: Some(HINT) });
    }
}

#[test]
fn our_entry_is_the_one_of_go_jose() {
    let (root, key) = root(&rcgen::PKCS_ECDSA_P256_SHA256, "spiffe://example.org");
    let bundle = Bundle { trust_domain: domain(), roots: vec![root.clone()], sequence: 3 };
    let written: Value = serde_json::from_str(&Document::of(&bundle, HINT).unwrap()).unwrap();
    let expected = json!({"keys": [entry(&root, &key)], "spiffe_sequence": 3, "spiffe_refresh_hint": 300});
    assert_eq!(written, expected);
}

#[test]
fn a_key_that_has_no_entry_is_not_written() {
    let ed25519 = root(&rcgen::PKCS_ED25519, "spiffe://example.org").0;
    let bundle = Bundle { trust_domain: domain(), roots: vec![spire_root().0, ed25519], sequence: 1 };
    let error = Document::of(&bundle, HINT).unwrap_err().to_string();
    assert!(error.contains("key 1 is neither RSA nor ECDSA"), "{error}");
    let empty = Bundle { roots: vec![], ..bundle };
    assert!(matches!(Document::of(&empty, HINT), Err(BadDocument::Bundle(BadBundle::Empty(_)))));
}

#[test]
fn what_the_standard_says_to_pass_over_is_passed_over() {
    let (root, key) = spire_root();
    let good = entry(&root, &key);
    let with = |member: &str, value: Value| {
        let mut entry = good.clone();
        entry[member] = value;
        entry
    };
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("x5c");
    let other = STANDARD.encode(spire_root().0);
    let keys = json!([
        with("use", json!("wit-svid")),
        with("use", json!("X509-SVID")),
        with("use", json!(7)),
        with("kty", json!("OKP")),
        with("x5c", json!([])),
        without,
        {"use": "jwt-svid", "kty": "EC", "x": 1, "x5c": "nonsense"},
        {},
        null,
        "key",
        with("x5c", json!([STANDARD.encode(&root), other, "nonsense"])),
        with("alg", json!("ES384")),
    ]);
    let read = read(&json!({"keys": keys, "more": {"spiffe_sequence": 9}})).unwrap();
    assert_eq!((read.sequence, read.refresh_hint, read.bundle.sequence), (None, None, 0));
    assert_eq!(read.bundle.roots, [root]);
}

#[test]
fn what_is_for_x509_must_hold() {
    let (root, key) = spire_root();
    let good = entry(&root, &key);
    let with = |member: &str, value: Value| {
        let mut entry = good.clone();
        entry[member] = value;
        json!({"keys": [good, entry]})
    };
    let elsewhere = self::root(&rcgen::PKCS_ECDSA_P256_SHA256, "spiffe://example.com");
    let ed25519 = self::root(&rcgen::PKCS_ED25519, "spiffe://example.org").0;
    let cases = [
        (with("x", json!("AAAA")), "key 1 isn't the key of its own certificate"),
        (with("crv", json!("P-256")), "key 1 isn't the key of its own certificate"),
        (with("kty", json!("RSA")), "key 1 isn't the key of its own certificate"),
        (with("x5c", json!([STANDARD.encode(ed25519)])), "key 1 isn't the key of its own certificate"),
        (with("x", json!(5)), "key 1 can't be read"),
        (with("x5c", json!("text")), "key 1 can't be read"),
        (with("x5c", json!(["@"])), "key 1 has an x5c"),
        (with("x5c", json!([STANDARD.encode(b"nonsense")])), "root 1 of example.org is not a readable certificate"),
        (json!({"keys": [entry(&elsewhere.0, &elsewhere.1)]}), "names another trust domain"),
        (json!({"keys": []}), "has no roots"),
        (json!({"keys": null}), "not a SPIFFE bundle"),
        (json!({}), "missing field `keys`"),
        (json!({"keys": [good], "spiffe_sequence": -1}), "not a SPIFFE bundle"),
        (json!({"keys": [good], "spiffe_sequence": 1.5}), "not a SPIFFE bundle"),
        (json!({"keys": [good], "spiffe_refresh_hint": "300"}), "not a SPIFFE bundle"),
        (json!([good]), "not a SPIFFE bundle"),
    ];
    for (document, part) in cases {
        let said = fault(&document);
        assert!(said.contains(part), "{document}: {said}");
    }
    let twice = r#"{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}"#;
    assert!(Document::read(domain(), twice.as_bytes()).unwrap_err().to_string().contains("duplicate field"));
}

#[test]
fn what_is_too_much_is_not_read() {
    let (root, key) = spire_root();
    let good = entry(&root, &key);
    let mut long = json!({"keys": [good]}).to_string().into_bytes();
    long.resize(MAX_DOCUMENT, b' ');
    assert!(Document::read(domain(), &long).is_ok());
    long.push(b' ');
    let length = MAX_DOCUMENT + 1;
    assert_eq!(Document::read(domain(), &long), Err(BadDocument::TooLong { domain: domain(), length }));
    let now = SystemTime::now();
    let many = (0..=MAX_ROOTS).map(|_| Authority::generate(domain(), now, HINT).unwrap().certificate().clone());
    let keys: Vec<_> =
        many.map(|root| json!({"use": "x509-svid", "kty": "EC", "x5c": [STANDARD.encode(root)]})).collect();
    assert!(fault(&json!({"keys": keys})).contains("has 17 roots"));
    let nested = format!("{{\"keys\":{}", "[".repeat(100_000));
    let said = Document::read(domain(), nested.as_bytes()).unwrap_err().to_string();
    assert!(said.contains("recursion limit"), "{said}");
    let shouting = format!("{{\"keys\":{:?}}}", "x".repeat(100_000));
    assert!(Document::read(domain(), shouting.as_bytes()).unwrap_err().to_string().len() < 400);
}
