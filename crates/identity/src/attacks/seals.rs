//! What a hub, a gateway or another workload may try with a controller's messages.

use std::time::{Duration, SystemTime};

use isthmus_core::id::SpiffeId;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::SignatureScheme;
use rustls_pki_types::CertificateDer;
use webpki::Error as Path;

use super::support::{Ca, Forged, days, id, uri};
use crate::{
    MAX_PAYLOAD, MAX_ROOT, MAX_SEAL_CHAIN, MAX_SEAL_SIGNATURE, Refused, SealRefused, Sealed, TrustStore,
    statement::Statement,
};

const CATALOG: &str = "catalog";
const OF_A: &str = "spiffe://a.test/ns/isthmus-system/sa/isthmus-controller";
const OF_B: &str = "spiffe://b.test/ns/isthmus-system/sa/isthmus-controller";

/// Two meshes that trust each other.
struct Meshes {
    a: Ca,
    b: Ca,
    trusted: TrustStore,
}

impl Meshes {
    fn new() -> Self {
        let (a, b) = (Ca::root("a.test", |_| {}), Ca::root("b.test", |_| {}));
        let trusted = TrustStore::with(&[a.bundle("a.test"), b.bundle("b.test")]).unwrap();
        Self { a, b, trusted }
    }

    /// What A's peer makes of a catalog that should be A's.
    fn open<'a>(&self, sealed: &'a Sealed) -> Result<&'a [u8], SealRefused> {
        sealed.open(CATALOG, &self.trusted, &id(OF_A), SystemTime::now())
    }

    #[track_caller]
    fn refusal(&self, sealed: &Sealed) -> SealRefused {
        self.open(sealed).unwrap_err()
    }
}

/// Seals with whatever certificate there is.
fn seal(sender: &Forged, purpose: &str, payload: &[u8]) -> Sealed {
    let statement = Statement::new(purpose, [payload]);
    let signer = sender.0.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
    let signature = signer.sign(statement.as_bytes()).unwrap();
    Sealed { payload: payload.to_vec(), chain: sender.0.cert.clone(), signature }
}

fn no_root_vouches(refused: &SealRefused, whom: &SpiffeId) -> bool {
    matches!(refused, SealRefused::Certificate(Refused::Chain { id, cause: Path::UnknownIssuer | Path::InvalidSignatureForPublicKey })
        if id == whom)
}

#[test]
fn an_honest_catalog_is_opened() {
    let meshes = Meshes::new();
    let sealed = seal(&meshes.a.leaf(OF_A, &[], |_| {}), CATALOG, b"prices");
    assert_eq!(meshes.open(&sealed), Ok(&b"prices"[..]));
    let intermediate = meshes.a.intermediate("a.test", |_| {});
    let sealed = seal(&intermediate.leaf(OF_A, &intermediate.chain, |_| {}), CATALOG, b"prices");
    assert_eq!(meshes.open(&sealed), Ok(&b"prices"[..]));
}

#[test]
fn a_catalog_sealed_by_another_workload_of_the_mesh() {
    let meshes = Meshes::new();
    for other in [
        "spiffe://a.test/ns/shop/sa/web",
        "spiffe://a.test/ns/isthmus-system/sa/isthmus-gateway",
        "spiffe://a.test/ns/isthmus-system/sa/isthmus-hub",
        "spiffe://a.test/ns/shop/sa/isthmus-controller",
        "spiffe://a.test/ns/isthmus-system/sa/isthmus-controller/more",
    ] {
        let sealed = seal(&meshes.a.leaf(other, &[], |_| {}), CATALOG, b"prices");
        assert_eq!(meshes.refusal(&sealed), SealRefused::OtherSender { expected: id(OF_A), found: id(other) });
    }
}

#[test]
fn a_catalog_sealed_by_the_controller_of_another_mesh() {
    let meshes = Meshes::new();
    let sealed = seal(&meshes.b.leaf(OF_B, &[], |_| {}), CATALOG, b"prices");
    assert_eq!(meshes.refusal(&sealed), SealRefused::OtherSender { expected: id(OF_A), found: id(OF_B) });
}

#[test]
fn a_root_of_b_signing_the_controller_of_a() {
    let meshes = Meshes::new();
    for intermediates in [&[][..], &meshes.b.chain, &meshes.a.chain] {
        let sealed = seal(&meshes.b.leaf(OF_A, intermediates, |_| {}), CATALOG, b"prices");
        assert!(no_root_vouches(&meshes.refusal(&sealed), &id(OF_A)));
    }
    // And one that nobody knows.
    let sealed = seal(&Ca::root("a.test", |_| {}).leaf(OF_A, &[], |_| {}), CATALOG, b"prices");
    assert!(no_root_vouches(&meshes.refusal(&sealed), &id(OF_A)));
}

#[test]
fn a_catalog_of_a_mesh_that_is_not_a_peer() {
    let meshes = Meshes::new();
    let sealed = seal(&meshes.a.leaf(OF_A, &[], |_| {}), CATALOG, b"prices");
    meshes.trusted.remove(id(OF_A).trust_domain());
    let unknown = Refused::UnknownDomain(id(OF_A).trust_domain().clone());
    assert_eq!(meshes.refusal(&sealed), SealRefused::Certificate(unknown));
}

#[test]
fn a_catalog_altered() {
    let meshes = Meshes::new();
    let honest = seal(&meshes.a.leaf(OF_A, &[], |_| {}), CATALOG, b"prices");
    let broken = SealRefused::Signature(id(OF_A));
    for payload in [&b"pricez"[..], b"prices ", b"price", b""] {
        assert_eq!(meshes.refusal(&Sealed { payload: payload.to_vec(), ..honest.clone() }), broken);
    }
    for position in 0..honest.signature.len() {
        let mut altered = honest.clone();
        altered.signature[position] ^= 1;
        assert_eq!(meshes.refusal(&altered), broken);
    }
    assert_eq!(meshes.refusal(&Sealed { signature: vec![], ..honest.clone() }), broken);
    assert_eq!(meshes.refusal(&Sealed { chain: vec![], ..honest.clone() }), SealRefused::NoCertificate);
    let garbage = vec![CertificateDer::from(b"garbage".to_vec())];
    assert_eq!(meshes.refusal(&Sealed { chain: garbage, ..honest }), SealRefused::Certificate(Refused::Unreadable));
}

#[test]
fn a_catalog_with_the_certificate_of_another() {
    let meshes = Meshes::new();
    let honest = seal(&meshes.a.leaf(OF_A, &[], |_| {}), CATALOG, b"prices");
    let thief = seal(&meshes.a.leaf("spiffe://a.test/ns/shop/sa/web", &[], |_| {}), CATALOG, b"mine");
    assert_eq!(meshes.refusal(&Sealed { chain: honest.chain, ..thief }), SealRefused::Signature(id(OF_A)));
}

#[test]
fn a_message_sealed_for_another_purpose() {
    let meshes = Meshes::new();
    let sender = meshes.a.leaf(OF_A, &[], |_| {});
    for purpose in ["heartbeat", "", "catalogp", "bundle", "Catalog"] {
        assert_eq!(meshes.refusal(&seal(&sender, purpose, b"prices")), SealRefused::Signature(id(OF_A)));
    }
    // Nor what the same key signed in a handshake, or in a request for a certificate.
    for prefix in [&[b' '; 64][..], &[0x30, 0x82]] {
        let said = [prefix, b"TLS 1.3, server CertificateVerify\0", &[7; 32]].concat();
        let signer = sender.0.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
        let signature = signer.sign(&said).unwrap();
        let sealed = Sealed { payload: said, chain: sender.0.cert.clone(), signature };
        assert_eq!(meshes.refusal(&sealed), SealRefused::Signature(id(OF_A)));
    }
}

#[test]
fn a_catalog_sealed_by_an_expired_controller() {
    let meshes = Meshes::new();
    let expired = meshes.a.leaf(OF_A, &[], |p| {
        p.not_before -= days(2);
        p.not_after -= days(1);
    });
    let refused = meshes.refusal(&seal(&expired, CATALOG, b"prices"));
    assert!(matches!(refused, SealRefused::Certificate(Refused::Expired { .. })), "{refused:?}");
    // Whose certificate it was long ago can't be told from who has stolen it since.
    let honest = seal(&meshes.a.leaf(OF_A, &[], |_| {}), CATALOG, b"prices");
    let late = honest.open(CATALOG, &meshes.trusted, &id(OF_A), SystemTime::now() + Duration::from_hours(2));
    assert!(matches!(late, Err(SealRefused::Certificate(Refused::Expired { .. }))), "{late:?}");
}

#[test]
fn a_catalog_sealed_by_what_is_no_certificate_of_a_workload() {
    let meshes = Meshes::new();
    let with = |edit: fn(&mut CertificateParams)| meshes.refusal(&seal(&meshes.a.leaf(OF_A, &[], edit), CATALOG, b"x"));
    let two = with(|p| p.subject_alt_names.push(uri(OF_B)));
    assert_eq!(two, SealRefused::Certificate(Refused::ManyUris(2)));
    let server_only = with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert!(matches!(server_only, SealRefused::Certificate(Refused::Chain { .. })), "{server_only:?}");
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let chain = vec![super::support::leaf_params(OF_A).signed_by(&p384, &meshes.a.issuer).unwrap().der().clone()];
    let statement = Statement::new(CATALOG, [&b"x"[..]]);
    let signature = rcgen::SigningKey::sign(&p384, statement.as_bytes()).unwrap();
    let other_key = Sealed { payload: b"x".to_vec(), chain, signature };
    let refused = meshes.refusal(&other_key);
    assert!(matches!(refused, SealRefused::Oversized { what: "bytes of signature", .. }), "{refused:?}");
}

#[test]
fn oversized_seals() {
    let meshes = Meshes::new();
    let honest = seal(&meshes.a.leaf(OF_A, &[], |_| {}), CATALOG, b"prices");
    let certificate = honest.chain[0].clone();
    let oversized = [
        (Sealed { payload: vec![0; MAX_PAYLOAD + 1], ..honest.clone() }, "bytes of payload"),
        (Sealed { chain: vec![certificate; MAX_SEAL_CHAIN + 1], ..honest.clone() }, "certificates"),
        (Sealed { chain: vec![vec![0x30; MAX_ROOT + 1].into()], ..honest.clone() }, "bytes of a certificate"),
        (Sealed { signature: vec![0x30; MAX_SEAL_SIGNATURE + 1], ..honest }, "bytes of signature"),
    ];
    for (sealed, part) in oversized {
        let refused = meshes.refusal(&sealed);
        assert!(matches!(refused, SealRefused::Oversized { what, .. } if what == part), "{refused:?}");
    }
}
