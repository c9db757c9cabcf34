//! How often somebody unknown may ask.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Requests that one address may make at once…
const BURST: u32 = 10;
/// …and how long one more takes to be allowed.
const REFILL: Duration = Duration::from_secs(2);
/// Most addresses remembered; when there are more, those that aren't wait.
const MAX_ADDRESSES: usize = 4096;

/// What is left to each address.
#[derive(Debug, Default)]
pub(super) struct Allowances(HashMap<IpAddr, (u32, Instant)>);

impl Allowances {
    /// May this address ask once more now?
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        if !self.0.contains_key(&address) && self.0.len() >= MAX_ADDRESSES {
            // A full allowance needs no memory.
            self.0.retain(|_, allowance| refilled(*allowance, now) < BURST);
            if self.0.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let allowance = self.0.entry(address).or_insert((BURST, now));
        let left = refilled(*allowance, now);
        if left != allowance.0 {
            *allowance = (left, now);
        }
        allowance.0 = left.saturating_sub(1);
        left > 0
    }
}

fn refilled((left, since): (u32, Instant), now: Instant) -> u32 {
    let gained = now.saturating_duration_since(since).as_millis() / REFILL.as_millis().max(1);
    u32::try_from(gained).unwrap_or(u32::MAX).saturating_add(left).min(BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn an_address_may_ask_in_a_burst_and_then_at_a_slow_pace() {
        let (mut allowances, start) = (Allowances::default(), Instant::now());
        assert!((0..BURST).all(|_| allowances.take(address(1), start)));
        assert!(!allowances.take(address(1), start) && allowances.take(address(2), start));
        assert!(allowances.take(address(1), start + REFILL) && !allowances.take(address(1), start + REFILL));
    }

    #[test]
    fn many_addresses_take_no_more_memory_than_allowed() {
        let (mut allowances, start) = (Allowances::default(), Instant::now());
        let taken = (0..2 * 4096).filter(|n| allowances.take(address(*n), start)).count();
        assert_eq!((taken, allowances.0.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
        assert!(allowances.take(address(1 << 20), start + BURST * REFILL));
    }
}
