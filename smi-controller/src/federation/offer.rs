//! What the member is told: this mesh's bundle, what it exports, and whom it agrees with.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_federation::{
    invitation::{Invitation, InvitationId},
    member::{Custody, Offer, Peer, Trust},
    names::Cluster,
};
use isthmus_identity::{Chain, HeldBundle};

use super::{session::Session, statuses};
use crate::compile::Outlook;

/// Who this mesh is.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) mesh: MeshName,
    pub(super) trust_domain: TrustDomain,
}

/// `trust`: how far the bundle of each peer has got among the proxies here; `custody`: for the mesh's other clusters. `None`: the mesh's name can't be a cluster's.
pub(super) fn offer(
    own: &Own,
    chain: &Chain,
    outlook: &Outlook,
    session: &Session,
    trust: &BTreeMap<MeshName, Trust>,
    invitations: BTreeMap<InvitationId, Arc<Invitation>>,
    custody: Option<Custody>,
) -> Option<Offer> {
    let peers = outlook.peers.iter().filter_map(|(mesh, object)| {
        let peer = &object.content;
        let newer = session.peers.get(mesh).and_then(|peering| peering.bundle.clone());
        let offered = Peer {
            trust_domain: peer.trust_domain.clone()?,
            held: newer.or_else(|| peer.bundle.clone()),
            pin: peer.pin,
            catalogs: session.catalogs.floors(mesh),
            trust: trust.get(mesh).copied().unwrap_or_default(),
            conflicts: session.catalogs.conflicts(mesh),
        };
        Some((mesh.clone(), offered))
    });
    let siblings = outlook.siblings.then(|| {
        let newer = session.peers.get(&own.mesh).and_then(|peering| peering.bundle.clone());
        let offered = Peer {
            held: statuses::own_bundle(chain).into_iter().chain(newer).max_by_key(HeldBundle::sequence),
            catalogs: session.catalogs.floors(&own.mesh),
            trust: trust.get(&own.mesh).copied().unwrap_or_default(),
            conflicts: session.catalogs.conflicts(&own.mesh),
            ..Peer::new(own.trust_domain.clone(), None)
        };
        (own.mesh.clone(), offered)
    });
    Some(Offer {
        mesh: own.mesh.clone(),
        cluster: cluster(own, outlook)?,
        trust_domain: own.trust_domain.clone(),
        chain: chain.clone(),
        exports: outlook.exports.clone(),
        peers: peers.chain(siblings).collect(),
        invitations,
        custody,
    })
}

/// The cluster's name: the mesh's own, where its object doesn't say.
pub(super) fn cluster(own: &Own, outlook: &Outlook) -> Option<Cluster> {
    let named = outlook.mesh.as_ref().and_then(|mesh| mesh.content.cluster.as_ref()).unwrap_or(&own.mesh);
    named.as_str().parse().ok()
}

/// Do they say the same?
pub(super) fn same(a: &Offer, b: &Offer) -> bool {
    let names = (&a.mesh, &a.cluster, &a.trust_domain) == (&b.mesh, &b.cluster, &b.trust_domain);
    names
        && a.chain == b.chain
        && a.peers == b.peers
        && a.exports == b.exports
        && a.custody == b.custody
        && a.invitations.keys().eq(b.invitations.keys())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use isthmus_identity::{Authority, SignedBundle};
    use serde_json::json;

    use super::*;
    use crate::{
        compile::{self, Reader},
        testing::*,
    };

    fn own() -> Own {
        Own { mesh: "isthmus".parse().unwrap(), trust_domain: settings().trust_domain }
    }

    fn chain() -> Chain {
        let hour = Duration::from_secs(3600);
        let root = Authority::generate(own().trust_domain, SystemTime::now(), hour).unwrap();
        Chain::new(vec![SignedBundle::sign(&root.bundle(1), hour, &[&root]).unwrap()]).unwrap()
    }

    fn looked(more: Vec<serde_json::Value>) -> Outlook {
        let shop = [
            peer("west"),
            peer("north"),
            service("web", "10.43.0.10", &[80, 81]),
            slice("web", &[("p80", 8080)], &[("web-1", "10.42.0.11")]),
            pod("web-1", "web", "10.42.0.11"),
            object("ExportedService", "web", json!({"to": ["west"]})),
        ];
        compile::outlook(&Reader::new(&index_of(shop.into_iter().chain(more))))
    }

    fn offered(outlook: &Outlook) -> Offer {
        offer(&own(), &chain(), outlook, &Session::default(), &BTreeMap::new(), BTreeMap::new(), None).unwrap()
    }

    #[test]
    fn a_service_is_offered_to_whom_it_is_exported_alone_and_without_addresses() {
        let offer = offered(&looked(vec![]));
        assert_eq!(offer.peers.keys().map(MeshName::as_str).collect::<Vec<_>>(), ["north", "west"]);
        let of = |mesh: &str| &offer.exports[&mesh.parse::<MeshName>().unwrap()];
        assert!(of("north").services.is_empty());
        let service = &of("west").services[&isthmus_core::id::ObjectName::new("shop", "web")];
        assert_eq!(service.ports.keys().collect::<Vec<_>>(), [&80, &81]);
        let (_, endpoint) = service.endpoints.first_key_value().unwrap();
        assert_eq!(endpoint.spiffe_id.as_str(), "spiffe://isthmus.local/ns/shop/sa/web");
        assert_eq!(endpoint.ready.iter().collect::<Vec<_>>(), [&80], "it doesn't serve the other port");
        assert!(endpoint.flat.is_empty());
    }

    #[test]
    fn addresses_of_pods_are_told_where_the_network_is_called_flat() {
        let flat = with(peer("west"), "/spec/flatNetwork", json!(true));
        let offer = offered(&looked(vec![flat, object("ExportedService", "web", json!({"to": ["west", "north"]}))]));
        let of = |mesh: &str| {
            let service = offer.exports[&mesh.parse::<MeshName>().unwrap()].services.values().next().unwrap();
            service.endpoints.values().next().unwrap().flat.clone()
        };
        assert_eq!(of("west"), BTreeMap::from([(80, "10.42.0.11:8080".parse().unwrap())]));
        assert!(of("north").is_empty());
    }

    #[test]
    fn gateways_are_where_their_service_is_from_outside_unless_the_mesh_says_otherwise() {
        let system = |manifest| with(manifest, "/metadata/namespace", json!("isthmus-system"));
        let balancer = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}});
        let balanced = system(with(service("isthmus-gateway", "10.43.0.99", &[15443]), "/status", balancer));
        let pods = system(slice("isthmus-gateway", &[("p15443", 15443)], &[("g", "10.42.0.9")]));
        let mesh = json!({"trustDomain": "isthmus.local", "gateways": ["198.51.100.1:443", "gateway.example:443"]});
        let west: MeshName = "west".parse().unwrap();
        let of =
            |more| offered(&looked(more)).exports[&west].gateways.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of(vec![pods.clone()]), ["10.42.0.9:15443"]);
        assert_eq!(of(vec![pods.clone(), balanced.clone()]), ["192.0.2.7:15443"]);
        let hostname = json!([{"hostname": "a1.ELB.example"}, {"ip": "192.0.2.7", "hostname": "not.used"}]);
        let named = with(balanced.clone(), "/status/loadBalancer/ingress", hostname);
        assert_eq!(of(vec![pods.clone(), named]), ["192.0.2.7:15443", "a1.elb.example:15443"]);
        assert_eq!(
            of(vec![pods, balanced, global("Mesh", "isthmus", mesh)]),
            ["198.51.100.1:443", "gateway.example:443"]
        );
    }

    #[test]
    fn an_offer_is_the_same_until_something_in_it_changes() {
        let outlook = looked(vec![]);
        let chain = chain();
        let of = |outlook: &Outlook| {
            offer(&own(), &chain, outlook, &Session::default(), &BTreeMap::new(), BTreeMap::new(), None).unwrap()
        };
        assert!(same(&of(&outlook), &of(&outlook)));
        let other = looked(vec![object("ExportedService", "web", json!({"to": ["north"]}))]);
        assert!(!same(&of(&outlook), &of(&other)));
    }
}
