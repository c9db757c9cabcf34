use isthmus_core::telemetry::Workload;

use super::*;
use crate::{BadSvid, Keypair, Refused, Svid};

const HOUR: Duration = Duration::from_hours(1);

fn domain() -> TrustDomain {
    TrustDomain::new("isthmus.local").unwrap()
}

fn web() -> SpiffeId {
    SpiffeId::for_service_account(&domain(), "shop", "web").unwrap()
}

fn authority(now: SystemTime) -> Authority {
    Authority::generate(domain(), now, HOUR * 24 * 365).unwrap()
}

#[test]
fn a_leaf_has_the_form_of_an_x509_svid() {
    let now = SystemTime::now();
    let authority = authority(now);
    let keypair = Keypair::generate().unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), &web(), now, DEFAULT_LEAF_LIFETIME).unwrap();
    let leaf = leaf::parse(&issued.chain[0]).unwrap();
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth && !usage.any);
    assert_eq!(leaf::uri_names(&leaf).unwrap(), [web().as_str()]);
    assert_eq!(leaf::workload_id(&issued.chain[0]), Ok(web()));
    assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca);
    let life = issued.not_after.duration_since(issued.not_before).unwrap();
    assert_eq!(life, DEFAULT_LEAF_LIFETIME + BACKDATE);
    assert_eq!(Svid::new(issued.chain, &keypair).unwrap().id(), &web());
}

#[test]
fn two_leaves_never_share_a_serial_number() {
    let now = SystemTime::now();
    let authority = authority(now);
    let csr = Keypair::generate().unwrap().csr().unwrap();
    let serial = || {
        let issued = authority.issue(&csr, &web(), now, HOUR).unwrap();
        leaf::parse(&issued.chain[0]).unwrap().raw_serial().to_vec()
    };
    assert_ne!(serial(), serial());
}

#[test]
fn nothing_of_a_request_but_its_key_is_used() {
    let now = SystemTime::now();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI("spiffe://isthmus.local/ns/kube-system/sa/admin".try_into().unwrap())];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let csr = params.serialize_request(&key).unwrap();
    let issued = authority(now).issue(csr.der(), &web(), now, HOUR).unwrap();
    assert_eq!(leaf::workload_id(&issued.chain[0]), Ok(web()));
}

#[test]
fn an_id_of_another_domain_is_not_signed() {
    let now = SystemTime::now();
    let csr = Keypair::generate().unwrap().csr().unwrap();
    for foreign in ["spiffe://other.local/ns/shop/sa/web", "spiffe://sub.isthmus.local/ns/shop/sa/web"] {
        let refused = authority(now).issue(&csr, &foreign.parse().unwrap(), now, HOUR);
        assert!(matches!(refused, Err(AuthorityError::ForeignId { .. })), "{refused:?}");
    }
}

#[test]
fn a_request_must_be_signed_by_its_own_p256_key() {
    let now = SystemTime::now();
    let authority = authority(now);
    let good = Keypair::generate().unwrap().csr().unwrap();
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = CertificateParams::default().serialize_request(&p384).unwrap().der().to_vec();
    for bad in [forged, p384, Vec::new(), vec![0x30; MAX_CSR + 1], good[..good.len() - 1].to_vec()] {
        let refused = authority.issue(&bad, &web(), now, HOUR);
        assert!(matches!(refused, Err(AuthorityError::BadRequest(_))), "{refused:?}");
    }
}

#[test]
fn a_leaf_does_not_outlive_its_root_and_an_expired_root_signs_nothing() {
    let now = SystemTime::now();
    let authority = Authority::generate(domain(), now, HOUR).unwrap();
    let csr = Keypair::generate().unwrap().csr().unwrap();
    for lifetime in [HOUR * 24, Duration::MAX] {
        let issued = authority.issue(&csr, &web(), now, lifetime).unwrap();
        assert_eq!(issued.not_after, authority.not_after());
    }
    let late = authority.issue(&csr, &web(), now + HOUR * 2, HOUR);
    assert!(matches!(late, Err(AuthorityError::NotValidNow { .. })));
}

#[test]
fn an_authority_survives_its_secret() {
    let now = SystemTime::now();
    let first = authority(now);
    let pem = first.to_pem();
    let second = Authority::from_pem(&domain(), &pem.certificate, pem.key.expose(), now).unwrap();
    assert_eq!(first.certificate(), second.certificate());
    assert_eq!(Bundle::from_pem(domain(), &pem.certificate, 1).unwrap(), first.bundle(1));
    let csr = Keypair::generate().unwrap().csr().unwrap();
    assert!(second.issue(&csr, &web(), now, HOUR).is_ok());
}

#[test]
fn what_is_not_a_root_of_the_domain_is_refused() {
    let now = SystemTime::now();
    let pem = authority(now).to_pem();
    let other = Authority::generate(TrustDomain::new("other.local").unwrap(), now, HOUR).unwrap().to_pem();
    let load = |cert: &str, key: &str, now| Authority::from_pem(&domain(), cert, key, now).unwrap_err();
    let foreign = load(&other.certificate, other.key.expose(), now);
    assert!(foreign.to_string().contains("spiffe://isthmus.local"), "{foreign}");
    assert!(matches!(load(&pem.certificate, other.key.expose(), now), AuthorityError::KeyMismatch));
    assert!(matches!(load("nonsense", pem.key.expose(), now), AuthorityError::BadCertificate { .. }));
    assert!(matches!(load(&pem.certificate, "nonsense", now), AuthorityError::BadKey));
    let later = now + HOUR * 24 * 3660;
    assert!(matches!(load(&pem.certificate, pem.key.expose(), later), AuthorityError::NotValidNow { .. }));
    let keypair = Keypair::generate().unwrap();
    let leaf = authority(now).issue(&keypair.csr().unwrap(), &web(), now, HOUR).unwrap();
    let not_a_ca = load(&pem_certificate(&leaf.chain[0]), pem.key.expose(), now);
    assert!(not_a_ca.to_string().contains("is not a CA"), "{not_a_ca}");
}

#[test]
fn secrets_are_in_no_debug_output() {
    let now = SystemTime::now();
    let authority = authority(now);
    let pem = authority.to_pem();
    let keypair = Keypair::generate().unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), &web(), now, HOUR).unwrap();
    let svid = Svid::new(issued.chain, &keypair).unwrap();
    let shown = format!("{authority:?} {pem:?} {keypair:?} {svid:?}");
    let secret: String = pem.key.expose().lines().filter(|l| !l.starts_with("--")).collect();
    assert!(secret.len() > 100 && !shown.contains(&secret[..16]));
    assert!(!shown.contains("PRIVATE") && shown.matches("[secret]").count() == 2, "{shown}");
}

#[test]
fn an_svid_needs_the_key_that_it_was_issued_for() {
    let now = SystemTime::now();
    let csr = Keypair::generate().unwrap().csr().unwrap();
    let issued = authority(now).issue(&csr, &web(), now, HOUR).unwrap();
    let other = Keypair::generate().unwrap();
    assert!(matches!(Svid::new(issued.chain, &other), Err(BadSvid::Key(_))));
    assert!(matches!(Svid::new(vec![], &other), Err(BadSvid::EmptyChain)));
    let root = authority(now).certificate().clone();
    assert!(matches!(Svid::new(vec![root], &other), Err(BadSvid::Leaf(Refused::LeafIsCa))));
}

#[test]
fn a_root_that_has_expired_is_restored_and_signs_nothing() {
    let now = SystemTime::now();
    let pem = authority(now - HOUR * 24 * 400).to_pem();
    let (certificate, key) = (pem.certificate.as_str(), pem.key.expose());
    assert!(matches!(Authority::from_pem(&domain(), certificate, key, now), Err(AuthorityError::NotValidNow { .. })));
    let restored = Authority::restore(&domain(), certificate, key).unwrap();
    let csr = Keypair::generate().unwrap().csr().unwrap();
    assert!(matches!(restored.issue(&csr, &web(), now, HOUR), Err(AuthorityError::NotValidNow { .. })));
    assert_eq!(restored.root(), crate::RootId::of(restored.certificate()));
}

#[test]
fn a_leaf_names_its_pod_and_what_owns_it() {
    let now = SystemTime::now();
    let csr = Keypair::generate().unwrap().csr().unwrap();
    let pod = Owned::new("Deployment", "web", "web-5b6c-x2x").unwrap();
    let chain = authority(now).issue_for(&csr, &web(), Some(&pod), now, HOUR).unwrap().chain;
    let seen = crate::peer_workload(&chain).unwrap();
    assert_eq!((&*seen.mesh, &*seen.namespace, &*seen.service_account), ("isthmus.local", "shop", "web"));
    assert_eq!((&*seen.kind, &*seen.name, &*seen.pod), ("Deployment", "web", "web-5b6c-x2x"));
    assert_eq!(crate::peer_id(&chain), Some(web()));
    // Without one, what stands in the subject is nobody's pod.
    let chain = authority(now).issue(&csr, &web(), now, HOUR).unwrap().chain;
    assert_eq!(crate::peer_workload(&chain), Some(Workload::of(&web())));
}

#[test]
fn the_subject_of_a_request_is_not_what_the_leaf_says() {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Isthmus");
    params.distinguished_name.push(DnType::CommonName, "payments-0");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "StatefulSet/payments");
    let csr = params.serialize_request(&KeyPair::generate().unwrap()).unwrap();
    let pod = Owned::new("Deployment", "web", "web-0").unwrap();
    for (given, name) in [(Some(&pod), "web-0"), (None, "")] {
        let chain = authority(now).issue_for(csr.der(), &web(), given, now, HOUR).unwrap().chain;
        assert_eq!(&*crate::peer_workload(&chain).unwrap().pod, name);
    }
}

/// A leaf whose subject its authority let be written.
fn leaf_named(subject: &[(u8, String)]) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.subject_alt_names = vec![SanType::URI(web().as_str().try_into().unwrap())];
    for (part, text) in subject {
        let part =
            [DnType::OrganizationName, DnType::CommonName, DnType::OrganizationalUnitName][usize::from(*part)].clone();
        params.distinguished_name.push(part, text.as_str());
    }
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

#[test]
fn a_foreign_subject_names_no_pod() {
    let text = |part: u8, text: &str| (part, text.to_owned());
    let (ours, pod, owner) = (text(0, "Isthmus"), text(1, "web-0"), text(2, "Deployment/web"));
    let pod_of = |subject: &[(u8, String)]| crate::peer_workload(&[leaf_named(subject)]).unwrap().pod;
    assert_eq!(&*pod_of(&[ours.clone(), pod.clone(), owner.clone()]), "web-0");
    let others = [
        vec![],
        vec![text(0, "SPIRE"), pod.clone(), owner.clone()],
        vec![pod.clone(), owner.clone()],
        vec![ours.clone(), pod.clone()],
        vec![ours.clone(), pod, text(2, "Deployment")],
        vec![ours, text(1, "web\n0"), owner],
    ];
    for subject in others {
        assert_eq!(&*pod_of(&subject), "", "{subject:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_subject_changes_whose_a_leaf_is(subject in proptest::collection::vec((0..3_u8, ".{0,300}"), 0..5)) {
        let chain = [leaf_named(&subject)];
        proptest::prop_assert_eq!(crate::peer_id(&chain), Some(web()));
        let workload = crate::peer_workload(&chain).unwrap();
        proptest::prop_assert_eq!(&workload.service_account, &Workload::of(&web()).service_account);
        let plain = |text: &str| text.len() <= 253 && text.bytes().all(|b| b.is_ascii_graphic());
        proptest::prop_assert!(plain(&workload.kind) && plain(&workload.name) && plain(&workload.pod));
    }
}
