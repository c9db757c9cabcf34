use std::collections::HashSet;

use super::*;

#[test]
fn only_networks_are_read() {
    for bad in ["10.0.0.0", "10.0.0.1/16", "10.0.0.0/7", "10.0.0.0/29", "fd00::/64", "", "/"] {
        assert!(bad.parse::<ServiceCidr>().is_err(), "{bad}");
    }
    let cidr: ServiceCidr = "10.43.0.0/16".parse().unwrap();
    assert_eq!(cidr.first(), Ipv4Addr::new(10, 43, 0, 1));
    assert!(cidr.assignable(Ipv4Addr::new(10, 43, 255, 254)));
    assert!(!cidr.assignable(Ipv4Addr::new(10, 43, 255, 255)));
    assert!(!cidr.assignable(Ipv4Addr::new(10, 43, 0, 0)));
    assert!(!cidr.assignable(Ipv4Addr::new(10, 44, 0, 1)));
}

#[test]
fn every_address_is_given_once_and_then_none() {
    let cidr: ServiceCidr = "10.0.0.0/28".parse().unwrap();
    let mut taken = HashSet::new();
    for seed in 0..14 {
        let address = cidr.free(seed * 7, |a| taken.contains(&a)).unwrap();
        assert!(cidr.assignable(address), "{address}");
        assert!(taken.insert(address), "{address} twice");
    }
    assert_eq!(cidr.free(0, |a| taken.contains(&a)), None);
}
