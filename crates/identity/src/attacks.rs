//! One test per attack: on connections by real handshakes, in both directions where it can go both ways; on bundles and on
//! sealed messages by what a carrier could show.

mod bundles;
mod seals;
mod support;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::id::TrustDomain;
use rcgen::{
    CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ServerConfig, version::TLS12};
use support::*;
use webpki::Error as Path;

use crate::{Authority, ClientCerts, ExpectedPeer, Keypair, Refused, Svid};

/// The chain ends at no root of the ID's domain: by name, or (all roots here have one name) by signature.
fn no_root_vouches(refused: &Refused, whom: &str) -> bool {
    matches!(refused, Refused::Chain { id: found, cause: Path::UnknownIssuer | Path::InvalidSignatureForPublicKey }
        if *found == id(whom))
}

#[tokio::test]
async fn honest_peers_know_each_other_by_hybrid_key_exchange() {
    let world = World::new();
    let outcome = handshake(world.server(world.good(STORE)), world.client(world.good(WEB), STORE)).await;
    let (server, client) = (outcome.server.unwrap(), outcome.client.unwrap());
    assert_eq!((server.peer, client.peer), (Some(id(WEB)), Some(id(STORE))));
    assert_eq!(server.group, Some(NamedGroup::X25519MLKEM768));
}

#[tokio::test]
async fn a_certificate_of_an_unknown_trust_domain() {
    let world = World::new();
    let elsewhere = "spiffe://c.test/ns/shop/sa/web";
    let shown = Ca::root("c.test", |_| {}).leaf(elsewhere, &[], |_| {});
    for refused in world.refusals(&shown, elsewhere).await {
        assert_eq!(refused, Refused::UnknownDomain(TrustDomain::new("c.test").unwrap()));
    }
}

#[tokio::test]
async fn a_certificate_of_another_trusted_domain_is_not_the_peer_called() {
    let world = World::new();
    let shown = world.b.leaf(FOREIGN, &[], |_| {});
    let outcome = handshake(world.server(shown), world.client(world.good(WEB), WEB)).await;
    assert_eq!(Refused::of_io(&outcome.client.unwrap_err()), Some(&Refused::Unexpected(id(FOREIGN))));
}

#[tokio::test]
async fn a_root_of_a_signing_an_id_of_b() {
    let world = World::new();
    let shown = world.a.leaf(FOREIGN, &[], |_| {});
    for refused in world.refusals(&shown, FOREIGN).await {
        assert!(no_root_vouches(&refused, FOREIGN), "{refused:?}");
    }
    // Nor with A's root itself offered as an intermediate.
    let shown = world.a.leaf(FOREIGN, &world.a.chain, |_| {});
    for refused in world.refusals(&shown, FOREIGN).await {
        assert!(no_root_vouches(&refused, FOREIGN), "{refused:?}");
    }
}

#[tokio::test]
async fn an_expired_leaf() {
    let world = World::new();
    let shown = world.a.leaf(WEB, &[], |p| {
        p.not_before -= days(2);
        p.not_after -= days(1);
    });
    for refused in world.refusals(&shown, WEB).await {
        assert!(matches!(refused, Refused::Expired { .. }) && refused.is_of_time(), "{refused:?}");
    }
}

#[tokio::test]
async fn a_leaf_that_is_not_yet_valid() {
    let world = World::new();
    let shown = world.a.leaf(WEB, &[], |p| {
        p.not_before += days(1);
        p.not_after += days(2);
    });
    for refused in world.refusals(&shown, WEB).await {
        assert!(matches!(refused, Refused::NotYet { .. }) && refused.is_of_time(), "{refused:?}");
    }
}

#[tokio::test]
async fn a_good_leaf_of_an_expired_root() {
    let expired = Ca::root("a.test", |p| {
        p.not_before -= days(2);
        p.not_after -= days(1);
    });
    let world = World::with_roots(expired, Ca::root("b.test", |_| {}));
    let shown = world.b.leaf(FOREIGN, &[], |_| {});
    let victim = world.good(WEB);
    let outcome = handshake(world.server(victim), world.client(shown, WEB)).await;
    let expected = Refused::Chain { id: id(WEB), cause: Path::UnknownIssuer };
    let error = outcome.client.unwrap_err();
    assert_eq!(Refused::of_io(&error), Some(&expected));
    assert!(!expected.is_of_time());
    assert_eq!(Refused::words(&error), expected.to_string());
}

#[tokio::test]
async fn no_client_certificate() {
    let world = World::new();
    let anonymous = || world.tls.client_config(ALPN, id(STORE)).unwrap();
    let outcome = handshake(world.server(world.good(STORE)), anonymous()).await;
    assert!(outcome.server.unwrap_err().to_string().contains("no certificates"));
    // A server may admit it, and then knows nobody; a bad certificate is refused there too.
    let open = || world.server_for(world.good(STORE), ClientCerts::Optional);
    assert_eq!(handshake(open(), anonymous()).await.server.unwrap().peer, None);
    let forged = Ca::root("a.test", |_| {}).leaf(WEB, &[], |_| {});
    assert!(handshake(open(), world.client(forged, STORE)).await.server.is_err());
}

/// Who showed one that has expired would be refused even where none is needed, and could never ask for another.
#[tokio::test]
async fn an_expired_certificate_is_not_shown() {
    let world = World::new();
    let hour = Duration::from_secs(3600);
    let born = SystemTime::now() - 4 * hour;
    let authority = Authority::generate(TrustDomain::new("a.test").unwrap(), born, 24 * hour).unwrap();
    let open = || world.server_for(world.good(STORE), ClientCerts::Optional);
    // This server doesn't know the root: it tells whether one was shown.
    for (issued, shown) in [(SystemTime::now(), true), (SystemTime::now() - 2 * hour, false)] {
        let key = Keypair::generate().unwrap();
        let leaf = authority.issue(&key.csr().unwrap(), &id(WEB), issued, hour).unwrap();
        world.tls.svid().set(Svid::new(leaf.chain, &key).unwrap());
        let client = world.tls.client_config(ALPN, id(STORE)).unwrap();
        assert_eq!(handshake(open(), client).await.server.is_err(), shown);
    }
}

#[tokio::test]
async fn tls_1_2() {
    let world = World::new();
    let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old_client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_client_cert_resolver(Arc::new(world.good(WEB)));
    let outcome = handshake(world.server(world.good(STORE)), Arc::new(old_client)).await;
    assert!(outcome.server.is_err() && outcome.client.is_err());
    let old_server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(world.good(STORE)));
    let outcome = handshake(Arc::new(old_server), world.client(world.good(WEB), STORE)).await;
    assert!(outcome.server.is_err() && outcome.client.is_err());
}

#[tokio::test]
async fn two_uri_names() {
    let world = World::new();
    for second in [STORE, FOREIGN, WEB, "https://a.test/"] {
        let shown = world.a.leaf(WEB, &[], |p| p.subject_alt_names.push(uri(second)));
        for refused in world.refusals(&shown, WEB).await {
            assert_eq!(refused, Refused::ManyUris(2));
        }
    }
}

#[tokio::test]
async fn no_uri_name() {
    let world = World::new();
    let shown = world.a.leaf(WEB, &[], |p| p.subject_alt_names.clear());
    for refused in world.refusals(&shown, WEB).await {
        assert_eq!(refused, Refused::NoUri);
    }
}

#[tokio::test]
async fn a_dns_name_only() {
    let world = World::new();
    let dns = SanType::DnsName("p80.store.shop.svc.a.mesh".try_into().unwrap());
    let shown = world.a.leaf(WEB, &[], |p| p.subject_alt_names = vec![dns]);
    for refused in world.refusals(&shown, WEB).await {
        assert_eq!(refused, Refused::NoUri);
    }
}

#[tokio::test]
async fn a_uri_that_is_no_workload_id() {
    let world = World::new();
    for odd in
        ["spiffe://a.test", "spiffe://a.test/", "spiffe://a.test/ns//sa", "spiffe://A.test/x", "https://a.test/x"]
    {
        let shown = world.a.leaf(odd, &[], |_| {});
        for refused in world.refusals(&shown, WEB).await {
            assert!(matches!(refused, Refused::InvalidId(_)), "{odd}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_leaf_that_is_a_ca() {
    let world = World::new();
    let ca = world.a.leaf(WEB, &[], |p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let signer = world.a.leaf(WEB, &[], |p| p.key_usages.push(KeyUsagePurpose::KeyCertSign));
    let revoker = world.a.leaf(WEB, &[], |p| p.key_usages.push(KeyUsagePurpose::CrlSign));
    for shown in [ca, signer, revoker] {
        for refused in world.refusals(&shown, WEB).await {
            assert_eq!(refused, Refused::LeafIsCa);
        }
    }
}

#[tokio::test]
async fn a_leaf_that_may_not_sign_handshakes() {
    let world = World::new();
    for usages in [vec![], vec![KeyUsagePurpose::KeyEncipherment]] {
        let shown = world.a.leaf(WEB, &[], |p| p.key_usages = usages);
        for refused in world.refusals(&shown, WEB).await {
            assert_eq!(refused, Refused::NoDigitalSignature);
        }
    }
}

#[tokio::test]
async fn a_leaf_for_the_other_side_only() {
    let world = World::new();
    let server_only = world.a.leaf(WEB, &[], |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let client_only = world.a.leaf(STORE, &[], |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let outcome = handshake(world.server(world.good(STORE)), world.client(server_only, STORE)).await;
    let refused = Refused::of_io(&outcome.server.unwrap_err()).unwrap().clone();
    assert!(matches!(refused, Refused::Chain { cause: Path::RequiredEkuNotFoundContext(_), .. }), "{refused:?}");
    let outcome = handshake(world.server(client_only), world.client(world.good(WEB), STORE)).await;
    let refused = Refused::of_io(&outcome.client.unwrap_err()).unwrap().clone();
    assert!(matches!(refused, Refused::Chain { cause: Path::RequiredEkuNotFoundContext(_), .. }), "{refused:?}");
}

#[tokio::test]
async fn a_workload_that_signs_for_others() {
    let world = World::new();
    // The workload's own certificate is good; what it signs isn't.
    let workload = world.a.intermediate("a.test", |p| {
        *p = leaf_params(WEB);
        p.distinguished_name.push(rcgen::DnType::CommonName, "workload");
    });
    let shown = workload.leaf(STORE, &workload.chain, |_| {});
    for refused in world.refusals(&shown, STORE).await {
        assert_eq!(refused, Refused::Chain { id: id(STORE), cause: Path::EndEntityUsedAsCa });
    }
}

#[tokio::test]
async fn an_intermediate_is_used_only_within_what_its_root_allows() {
    let world = World::new();
    let intermediate = world.a.intermediate("a.test", |_| {});
    let shown = intermediate.leaf(WEB, &intermediate.chain, |_| {});
    let outcome = handshake(world.server(world.good(STORE)), world.client(shown, STORE)).await;
    assert_eq!(outcome.server.unwrap().peer, Some(id(WEB)));
    // Signed by A's intermediate, named for B.
    let shown = intermediate.leaf(FOREIGN, &intermediate.chain, |_| {});
    for refused in world.refusals(&shown, FOREIGN).await {
        assert!(no_root_vouches(&refused, FOREIGN), "{refused:?}");
    }
    // A root that may sign leaves only.
    let strict = Ca::root("a.test", |p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0)));
    let world = World::with_roots(strict, Ca::root("b.test", |_| {}));
    let below = world.a.intermediate("a.test", |_| {});
    let shown = below.leaf(WEB, &below.chain, |_| {});
    let outcome = handshake(world.server(world.good(STORE)), world.client(shown, STORE)).await;
    let refused = Refused::of_io(&outcome.server.unwrap_err()).unwrap().clone();
    assert!(matches!(refused, Refused::Chain { cause: Path::PathLenConstraintViolated, .. }), "{refused:?}");
}

#[tokio::test]
async fn name_constraints_open_no_other_domain() {
    let world = World::new();
    // A of its own accord "permits" B to an intermediate, by the wrong kind of name: no help.
    let dns = GeneralSubtree::DnsName("b.test".into());
    let constraints = NameConstraints { permitted_subtrees: vec![dns], excluded_subtrees: vec![] };
    let generous = world.a.intermediate("a.test", |p| p.name_constraints = Some(constraints));
    let shown = generous.leaf(FOREIGN, &generous.chain, |_| {});
    for refused in world.refusals(&shown, FOREIGN).await {
        assert!(no_root_vouches(&refused, FOREIGN), "{refused:?}");
    }
    // Constraints on URIs can't be evaluated by the path builder, so whatever stands below one is refused.
    let permitted_uri = CustomExtension::from_oid_content(&[2, 5, 29, 30], uri_constraint(b"a.test"));
    let limited = world.a.intermediate("a.test", |p| p.custom_extensions.push(permitted_uri));
    let shown = limited.leaf(WEB, &limited.chain, |_| {});
    for refused in world.refusals(&shown, WEB).await {
        assert_eq!(refused, Refused::Chain { id: id(WEB), cause: Path::NameConstraintViolation });
    }
}

/// `NameConstraints { permittedSubtrees: [ URI host ] }` in DER.
fn uri_constraint(host: &[u8]) -> Vec<u8> {
    let wrap = |tag: u8, inner: &[u8]| [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat();
    wrap(0x30, &wrap(0xa0, &wrap(0x30, &wrap(0x86, host))))
}

#[tokio::test]
async fn the_wrong_workload_of_the_right_domain() {
    let world = World::new();
    let outcome = handshake(world.server(world.good(STORE)), world.client(world.good(WEB), WEB)).await;
    assert_eq!(Refused::of_io(&outcome.client.unwrap_err()), Some(&Refused::Unexpected(id(STORE))));
    assert!(outcome.server.is_err());
    let any = |ids: &[&str]| ExpectedPeer::AnyOf(ids.iter().map(|i| id(i)).collect());
    assert!(any(&[WEB, STORE]).admits(&id(STORE)));
    assert!(!any(&[WEB, FOREIGN]).admits(&id(STORE)));
    assert!(!any(&[]).admits(&id(STORE)));
}

#[tokio::test]
async fn a_self_signed_leaf() {
    let world = World::new();
    let key = KeyPair::generate().unwrap();
    let leaf = leaf_params(WEB).self_signed(&key).unwrap().der().clone();
    for refused in world.refusals(&Forged::new(vec![leaf], &key), WEB).await {
        assert!(no_root_vouches(&refused, WEB), "{refused:?}");
    }
}

#[tokio::test]
async fn a_namesake_of_the_root() {
    let world = World::new();
    // Same subject, same URI, another key.
    let namesake = Ca::root("a.test", |_| {});
    let shown = namesake.leaf(WEB, &namesake.chain, |_| {});
    for refused in world.refusals(&shown, WEB).await {
        assert!(no_root_vouches(&refused, WEB), "{refused:?}");
    }
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key() {
    let world = World::new();
    let stolen = world.good(WEB).0.cert.clone();
    let shown = Forged::new(stolen, &KeyPair::generate().unwrap());
    let outcome = handshake(world.server(world.good(STORE)), world.client(shown.clone(), STORE)).await;
    assert!(outcome.server.unwrap_err().to_string().contains("BadSignature"));
    let outcome = handshake(world.server(shown), world.client(world.good(STORE), WEB)).await;
    assert!(outcome.client.unwrap_err().to_string().contains("BadSignature"));
}

#[tokio::test]
async fn a_certificate_with_something_after_it() {
    let world = World::new();
    let key = KeyPair::generate().unwrap();
    let leaf = leaf_params(WEB).signed_by(&key, &world.a.issuer).unwrap().der().to_vec();
    let shown = Forged::new(vec![[leaf.as_slice(), &[0]].concat().into()], &key);
    for refused in world.refusals(&shown, WEB).await {
        assert_eq!(refused, Refused::Unreadable);
    }
}

#[tokio::test]
async fn a_client_of_another_protocol() {
    let world = World::new();
    let mut config = ClientConfig::clone(&world.client(world.good(WEB), STORE));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let outcome = handshake(world.server(world.good(STORE)), Arc::new(config)).await;
    assert!(outcome.server.is_err() && outcome.client.is_err());
}

#[tokio::test]
async fn a_session_from_before_its_domain_was_distrusted() {
    let world = World::new();
    let (server, client) = (world.server(world.good(STORE)), world.client(world.b.leaf(FOREIGN, &[], |_| {}), STORE));
    for _ in 0..2 {
        let outcome = handshake(Arc::clone(&server), Arc::clone(&client)).await;
        assert_eq!(outcome.client.unwrap().kind, Some(HandshakeKind::Full), "no session may be resumed");
        assert_eq!(outcome.server.unwrap().peer, Some(id(FOREIGN)));
    }
    world.tls.roots().replace(&[world.a.bundle("a.test")]).unwrap();
    let outcome = handshake(server, client).await;
    let expected = Refused::UnknownDomain(TrustDomain::new("b.test").unwrap());
    assert_eq!(Refused::of_io(&outcome.server.unwrap_err()), Some(&expected));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_at_the_next_handshake() {
    use crate::{Authority, Keypair, MeshTls, Svid, SvidCell, TrustStore};
    let now = std::time::SystemTime::now();
    let authority = Authority::generate(TrustDomain::new("a.test").unwrap(), now, days(1)).unwrap();
    let roots = Arc::new(TrustStore::with(&[authority.bundle(1)]).unwrap());
    let svid = |id: &str| {
        let keypair = Keypair::generate().unwrap();
        let issued = authority.issue(&keypair.csr().unwrap(), &support::id(id), now, days(1)).unwrap();
        Svid::new(issued.chain, &keypair).unwrap()
    };
    let party = || MeshTls::new(Arc::clone(&roots), Arc::new(SvidCell::new()));
    let (server, client) = (party(), party());
    let serving = server.server_config(ALPN, ClientCerts::Required).unwrap();
    let calling = client.client_config(ALPN, id(STORE)).unwrap();
    let shake = || handshake(Arc::clone(&serving), Arc::clone(&calling));
    // Nothing to show yet, on either side.
    assert!(shake().await.server.is_err());
    server.svid().set(svid(STORE));
    assert!(shake().await.server.unwrap_err().to_string().contains("no certificates"));
    client.svid().set(svid(WEB));
    assert_eq!(shake().await.server.unwrap().peer, Some(id(WEB)));
    client.svid().set(svid("spiffe://a.test/ns/shop/sa/batch"));
    assert_eq!(shake().await.server.unwrap().peer, Some(id("spiffe://a.test/ns/shop/sa/batch")));
}

#[tokio::test]
async fn a_refusal_for_time_says_which_clocks_to_look_at() {
    let world = World::new();
    let early = world.a.leaf(WEB, &[], |p| {
        p.not_before += days(1);
        p.not_after += days(2);
    });
    let late = world.a.leaf(WEB, &[], |p| {
        p.not_before -= days(2);
        p.not_after -= days(1);
    });
    let [early, _] = world.refusals(&early, WEB).await.map(|refused| refused.to_string());
    // A minute less than the day: leaves of these tests are backdated as real ones are.
    assert!(early.starts_with(&format!("the certificate of {WEB} begins 863")), "{early}");
    assert!(early.ends_with("s ahead of this clock: set the clocks of both nodes by NTP"), "{early}");
    let [late, _] = world.refusals(&late, WEB).await.map(|refused| refused.to_string());
    assert!(late.contains("s before this clock: the peer couldn't renew it"), "{late}");
}
