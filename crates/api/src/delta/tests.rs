use isthmus_core::{
    destination::{ProtocolHint, Remote, Split},
    id::SpiffeId,
};
use proptest::prelude::*;

use super::*;

fn identity() -> Option<SpiffeId> {
    "spiffe://td/ns/d/sa/a".parse().ok()
}

fn endpoints(list: &BTreeMap<u8, bool>) -> Arc<[Endpoint]> {
    let one = |(host, meshed): (&u8, &bool)| {
        let identity = identity().filter(|_| *meshed);
        Endpoint::local(SocketAddr::from(([10, 0, 0, *host], 80)), identity, format!("d/p{host}"))
    };
    // Each has a pod in another mesh beside it, all of them behind one gateway.
    let far = |(host, stale): (&u8, &bool)| Endpoint {
        remote: Some(Remote {
            server_name: format!("{}.p80.web.d.svc.west.mesh", "a".repeat(usize::from(*host % 16) + 1)).into(),
            mesh: "west".parse().unwrap(),
            stale: *stale,
        }),
        priority: 1,
        ..Endpoint::local(SocketAddr::from(([10, 0, 0, 1], 15443)), identity(), "west")
    };
    let all: BTreeMap<_, _> = list.iter().flat_map(|e| [one(e), far(e)]).map(|e| (owned(&e), e)).collect();
    all.into_values().collect()
}

fn service(root: &BTreeMap<u8, bool>, v2: &BTreeMap<u8, bool>, weight: u32) -> Destination {
    let backend =
        |name: &str, list| Backend { service: ObjectName::new("d", name), port: 80, endpoints: endpoints(list) };
    let split = Split {
        name: ObjectName::new("d", "s"),
        generation: 1,
        matches: None,
        backends: vec![(backend("web", root), 1), (backend("v2", v2), weight)],
    };
    let root = backend("web", root);
    Destination::Service(ServiceRoute { root, protocol: ProtocolHint::Detect, split: Some(split) })
}

proptest! {
    #[test]
    fn applying_what_lies_between_gives_the_new(
        a in prop::collection::btree_map(any::<u8>(), any::<bool>(), 0..8),
        b in prop::collection::btree_map(any::<u8>(), any::<bool>(), 0..8),
        c in prop::collection::btree_map(any::<u8>(), any::<bool>(), 0..8),
        d in prop::collection::btree_map(any::<u8>(), any::<bool>(), 0..8),
    ) {
        let (old, new) = (service(&a, &b, 5), service(&c, &d, 5));
        let delta = between(&old, &new, "v").unwrap();
        prop_assert_eq!(apply(&old, delta).unwrap(), new);
    }
}

#[test]
fn a_changed_weight_is_no_matter_of_endpoints() {
    let none = BTreeMap::new();
    assert_eq!(between(&service(&none, &none, 5), &service(&none, &none, 6), "v"), None);
    assert_eq!(between(&Destination::Unknown, &service(&none, &none, 6), "v"), None);
}
