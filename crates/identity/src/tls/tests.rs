use std::time::Duration;

use isthmus_core::id::TrustDomain;

use super::*;
use crate::{Authority, Bundle, Keypair, Svid};

fn authority() -> Authority {
    Authority::generate(TrustDomain::new("a.test").unwrap(), SystemTime::now(), Duration::from_hours(1)).unwrap()
}

fn svid(authority: &Authority, at: SystemTime) -> Svid {
    let keypair = Keypair::generate().unwrap();
    let id = "spiffe://a.test/ns/shop/sa/web".parse().unwrap();
    let issued = authority.issue(&keypair.csr().unwrap(), &id, at, Duration::from_mins(5)).unwrap();
    Svid::new(issued.chain, &keypair).unwrap()
}

#[test]
fn a_workload_knows_which_root_it_stands_on_and_which_one_signs() {
    // Both have the same name, as the roots that a mesh makes for itself have.
    let (old, new) = (authority(), authority());
    let bundle = |roots: &[&Authority]| Bundle {
        roots: roots.iter().map(|a| a.certificate().clone()).collect(),
        ..old.bundle(1)
    };
    let tls = MeshTls::new(Arc::new(TrustStore::with(&[bundle(&[&old, &new])]).unwrap()), Arc::new(SvidCell::new()));
    assert_eq!(tls.own_root(), None);
    tls.svid().set(svid(&old, SystemTime::now()));
    assert_eq!(tls.own_root(), Some((old.root(), true)));
    tls.roots().replace(&[bundle(&[&new, &old])]).unwrap();
    assert_eq!(tls.own_root(), Some((old.root(), false)));
    // Issued by a clock ten minutes ahead: it is told by its signature all the same.
    tls.svid().set(svid(&new, SystemTime::now() + Duration::from_mins(10)));
    assert_eq!(tls.own_root(), Some((new.root(), true)));
    tls.roots().replace(&[bundle(&[&old])]).unwrap();
    assert_eq!(tls.own_root(), None);
}
