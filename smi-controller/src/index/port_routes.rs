//! TCPRoutes and UDPRoutes.

use isthmus_core::inbound::PortSet;
use isthmus_k8s::specs::{Ports, TCPRoute, UDPRoute};

use super::Object;
use crate::fault::{Fault, Reason};

/// A route's ports.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PortRoute {
    pub(crate) ports: PortSet,
}

/// Reads a TCPRoute.
pub(crate) fn read_tcp(route: &TCPRoute) -> Object<PortRoute> {
    let mut faults = Vec::new();
    let ports = ports(&route.spec.matches, &mut faults);
    Object::new(route, PortRoute { ports }, faults)
}

/// What is said wherever somebody could rely on it.
pub(crate) const UDP_NOT_ENFORCED: &str =
    "UDP isn't enforced yet: it goes past the proxies, neither allowed nor denied by them";

/// Reads a UDPRoute.
pub(crate) fn read_udp(route: &UDPRoute) -> Object<PortRoute> {
    let mut faults = vec![Fault::hint(Reason::NotEnforced, UDP_NOT_ENFORCED)];
    let ports = ports(&route.spec.matches, &mut faults);
    Object::new(route, PortRoute { ports }, faults)
}

/// No ports named means all; ports named that are none mean none, never all.
fn ports(matches: &Ports, faults: &mut Vec<Fault>) -> PortSet {
    let Some(named) = matches.ports.as_ref().filter(|ports| !ports.is_empty()) else { return PortSet::All };
    let mut read = |(i, port): (usize, &i64)| {
        let valid = u16::try_from(*port).ok().filter(|port| *port != 0);
        if valid.is_none() {
            let message = format!("spec.matches.ports[{i}]: {port} is not a port from 1 to 65535: it grants nothing");
            faults.push(Fault::partly(Reason::InvalidPort, message));
        }
        valid
    };
    PortSet::Only(named.iter().enumerate().filter_map(&mut read).collect())
}
