//! Addresses by a cluster's number.

use std::net::Ipv4Addr;

use isthmus_local_node::{Cidr, RouterConfig};

use super::Error;

/// The last number whose networks are within 10.0.0.0/8.
const MOST: u8 = 106;

/// The networks of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pods: u8,
    services: u8,
    balancers: u8,
}

impl Addresses {
    pub(super) fn of(index: u8) -> Result<Self, Error> {
        let invalid = || Error::InvalidIndex { index, most: MOST };
        let pods = index.checked_mul(2).and_then(|twice| twice.checked_add(42)).ok_or_else(invalid)?;
        let services = pods.checked_add(1).ok_or_else(invalid)?;
        Ok(Addresses { pods, services, balancers: index })
    }

    pub(super) fn services(self) -> Cidr {
        Cidr::new(Ipv4Addr::new(10, self.services, 0, 0), 16)
    }

    /// Those of LoadBalancer Services.
    pub(super) fn balancers(self) -> Cidr {
        Cidr::new(Ipv4Addr::new(100, 64, self.balancers, 0), 24)
    }

    /// The Service `kubernetes`.
    pub(super) fn kubernetes(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.services, 0, 1)
    }

    pub(super) fn router(self) -> RouterConfig {
        RouterConfig {
            pod_cidr: Cidr::new(Ipv4Addr::new(10, self.pods, 0, 0), 16),
            service_cidr: self.services(),
            balancer_cidr: self.balancers(),
            dns_ip: Ipv4Addr::new(10, self.services, 0, 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_networks_of_its_own() {
        let first = Addresses::of(0).unwrap();
        assert_eq!(first.router().pod_cidr.to_string(), "10.42.0.0/16");
        assert_eq!(first.services().to_string(), "10.43.0.0/16");
        assert_eq!(
            (first.kubernetes(), first.router().dns_ip),
            ("10.43.0.1".parse().unwrap(), "10.43.0.10".parse().unwrap())
        );
        assert_eq!(Addresses::of(MOST).unwrap().router().balancer_cidr.to_string(), "100.64.106.0/24");
        assert_eq!(Addresses::of(1).unwrap().services().to_string(), "10.45.0.0/16");
        assert_eq!(Addresses::of(MOST).unwrap().services().to_string(), "10.255.0.0/16");
        assert!(Addresses::of(MOST + 1).is_err());
        assert!(Addresses::of(255).is_err());
    }
}
