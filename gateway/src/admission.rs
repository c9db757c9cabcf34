//! Who may come in: places for all, a share and a rate for each source.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    rc::Rc,
    time::Duration,
};

use isthmus_core::rate::Bucket;
use isthmus_proxy::places::{Place, Places};

use crate::{
    limits::{Bounds, SOURCES},
    refusal::Refusal,
};

/// The door of one worker.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Rc<Places>,
    rates: RefCell<HashMap<IpAddr, Bucket>>,
    /// Of all sources for which there is no room in `rates`.
    others: RefCell<Bucket>,
    bounds: Bounds,
}

impl Admission {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let others = Bucket::new(bounds.source_burst, bounds.source_rate, Duration::ZERO);
        Self {
            places: Places::new(bounds.connections),
            rates: RefCell::default(),
            others: RefCell::new(others),
            bounds,
        }
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// A place for a connection of this source, unless it has its share.
    pub(crate) fn place(&self, source: IpAddr) -> Result<Place, Refusal> {
        self.places.take(source).ok_or(Refusal::Share)
    }

    /// Counts a new connection of this source against its rate.
    pub(crate) fn arrive(&self, source: IpAddr, now: Duration) -> Result<(), Refusal> {
        let source = host(source);
        let mut rates = self.rates.borrow_mut();
        let known = rates.len() < SOURCES || rates.contains_key(&source);
        let in_time = if known {
            let new = || Bucket::new(self.bounds.source_burst, self.bounds.source_rate, now);
            rates.entry(source).or_insert_with(new).spend(1, || now)
        } else {
            self.others.borrow_mut().spend(1, || now)
        };
        if in_time { Ok(()) } else { Err(Refusal::Rate) }
    }

    /// Forgets the sources that have rested.
    pub(crate) fn sweep(&self, now: Duration) {
        self.rates.borrow_mut().retain(|_, bucket| !bucket.is_full(now));
    }
}

/// What counts as one source: an IPv4 address, or an IPv6 network of 64 bits, which is what one host gets.
fn host(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests;
