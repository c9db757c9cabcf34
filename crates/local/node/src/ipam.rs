//! Pod addresses.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::cidr::Cidr;

/// Hands out the addresses of a range in turn, so that one that was just freed rests for as long as possible.
#[derive(Debug)]
pub(crate) struct Ipam {
    range: Cidr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: BTreeSet<u32>,
    last: u32,
}

impl Ipam {
    /// The first two addresses (network and router) and the last (broadcast) aren't given away.
    pub(crate) fn new(range: Cidr) -> Self {
        Ipam { range, state: Mutex::new(State { used: BTreeSet::new(), last: 1 }) }
    }

    /// None when all are in use.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Lease> {
        let address = self.next()?;
        Some(Lease { address, ipam: Arc::clone(self) })
    }

    fn next(&self) -> Option<Ipv4Addr> {
        let end = u32::try_from(self.range.size().saturating_sub(1)).unwrap_or(u32::MAX);
        let mut state = self.state.lock();
        let free = (state.last.saturating_add(1)..end).chain(2..end).find(|n| !state.used.contains(n))?;
        state.used.insert(free);
        state.last = free;
        self.range.nth(free)
    }

    fn free(&self, address: Ipv4Addr) {
        self.state.lock().used.remove(&(address.to_bits() & !self.range.first().to_bits()));
    }
}

/// An address in use; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    address: Ipv4Addr,
    ipam: Arc<Ipam>,
}

impl Lease {
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ipam.free(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_handed_out_in_turn_and_come_back() {
        let ipam = Arc::new(Ipam::new("10.42.0.0/29".parse().unwrap()));
        let mut all: Vec<Lease> = std::iter::from_fn(|| ipam.take()).collect();
        let addresses: Vec<Ipv4Addr> = all.iter().map(Lease::address).collect();
        assert_eq!(addresses, [2, 3, 4, 5, 6].map(|last| Ipv4Addr::new(10, 42, 0, last)));
        drop(all.remove(1));
        let again = ipam.take().unwrap();
        assert_eq!((again.address(), ipam.take().is_none()), (addresses[1], true));
    }
}
