#![allow(clippy::unwrap_used)]

use isthmus_k8s::federation::{HubRef, MeshPeerSpec, MeshSpec};

use super::*;

const SECRET: &str = "isthmus-invitation-0f";

fn terms(mesh: &str, domain: &str) -> Terms {
    let digest = format!("sha256:{}", "0a".repeat(32));
    Terms {
        hub: vec!["100.64.0.10:15030".into()],
        hub_identity: "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub".parse().unwrap(),
        hub_bundle: digest.parse().unwrap(),
        mesh: mesh.parse().unwrap(),
        trust_domain: TrustDomain::new(domain).unwrap(),
        bundle: digest.parse().unwrap(),
        expires: 1,
    }
}

fn peer(name: &str, domain: &str, invitation: Option<&str>) -> MeshPeer {
    let invitation = invitation.map(str::to_owned);
    MeshPeer::new(
        name,
        MeshPeerSpec {
            trust_domain: domain.into(),
            bundle_digest: None,
            invitation,
            flat_network: None,
            bundle_endpoint: None,
        },
    )
}

fn own(hub: Option<&str>) -> Mesh {
    let hub = hub.map(|identity| HubRef { address: "hub:15030".into(), identity: identity.into() });
    Mesh::new(
        "west",
        MeshSpec {
            trust_domain: "west.local".into(),
            cluster: None,
            clusters: None,
            hub,
            gateways: None,
            egress: None,
        },
    )
}

/// What west, with these, says to an invitation.
fn west(own: Option<&Mesh>, peers: &[MeshPeer], terms: &Terms) -> Result<(), String> {
    let (mesh, domain) = ("west".parse().unwrap(), TrustDomain::new("west.local").unwrap());
    may_join(&mesh, &domain, own, peers, SECRET, terms).map_err(|error| error.to_string())
}

#[test]
fn a_mesh_joins_another_and_may_try_again() {
    let terms = terms("east", "east.local");
    assert_eq!(west(None, &[], &terms), Ok(()));
    let hub = own(Some("spiffe://east.local/ns/isthmus-system/sa/isthmus-hub"));
    assert_eq!(west(Some(&hub), &[peer("east", "east.local", Some(SECRET))], &terms), Ok(()));
    assert_eq!(west(Some(&own(None)), &[peer("north", "north.local", None)], &terms), Ok(()));
}

#[test]
fn nobody_joins_itself_or_its_like() {
    assert!(west(None, &[], &terms("west", "east.local")).unwrap_err().contains("of west itself"));
    assert!(west(None, &[], &terms("east", "west.local")).unwrap_err().contains("trust domain of this one"));
    for domain in ["west-local", "vvest.local", "west.1ocal"] {
        assert!(west(None, &[], &terms("east", domain)).unwrap_err().contains("mistaken for west.local"), "{domain}");
    }
    let known = [peer("north", "north.local", None)];
    assert!(west(None, &known, &terms("east", "n0rth.local")).unwrap_err().contains("mistaken for north.local"));
    assert!(west(None, &[], &terms("east", "east..local")).unwrap_err().contains("dot"));
}

#[test]
fn a_mesh_has_one_hub_and_one_relation_with_a_peer() {
    let elsewhere = own(Some("spiffe://north.local/ns/isthmus-system/sa/isthmus-hub"));
    let refused = west(Some(&elsewhere), &[], &terms("east", "east.local")).unwrap_err();
    assert!(refused.contains("a mesh has one hub"), "{refused}");
    for invitation in [None, Some("isthmus-invitation-99")] {
        let refused = west(None, &[peer("east", "east.local", invitation)], &terms("east", "east.local")).unwrap_err();
        assert!(refused.contains("isthmus federation revoke east"), "{refused}");
    }
}

#[test]
fn an_invitation_that_has_come_to_its_end_here_is_told_at_once() {
    let terms = terms("east", "east.local");
    let joined = [peer("east", "east.local", Some(SECRET))];
    for (state, peers, refused) in [
        (None, &[][..], None),
        (Some(State::Used), &joined, None),
        (Some(State::Used), &[], Some("was used here already")),
        (Some(State::Refused), &joined, Some("was refused")),
        (Some(State::Expired), &[], Some("has expired")),
    ] {
        let said = is_unused(state, peers, &terms).err().map(|error| error.to_string());
        assert_eq!(said.is_some(), refused.is_some(), "{state:?}: {said:?}");
        assert!(refused.is_none_or(|words| said.unwrap_or_default().contains(words)), "{state:?}");
    }
}
