//! Cutting a peer off: its bundle and imports are dropped by being compiled without it, and here it is counted who has
//! confirmed that.

use std::time::{Duration, Instant};

use serde::Serialize;

/// How long proxies may take to confirm. Who hasn't by then gets it as soon as it reaches a controller.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// One revocation that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revocation {
    began: Instant,
    proxies: usize,
}

/// The proof, as `status.revocation` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    proxies: usize,
    confirmed: usize,
    connections_cut: u64,
    milliseconds: u64,
}

impl Revocation {
    /// It has begun. So many proxies have held the peer's bundle.
    pub(super) fn begin(proxies: usize, now: Instant) -> Self {
        Self { began: now, proxies }
    }

    /// So many hold it still; `cut`: connections that were cut. `None`: it goes on.
    pub(super) fn look(&mut self, holding: usize, cut: u64, now: Instant) -> Option<Receipt> {
        // A proxy that connects meanwhile and says to hold the bundle has to confirm as well.
        self.proxies = self.proxies.max(holding);
        let took = now.saturating_duration_since(self.began);
        (holding == 0 || took >= LIMIT).then(|| Receipt {
            proxies: self.proxies,
            confirmed: self.proxies - holding,
            connections_cut: cut,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(proxies: usize, confirmed: usize, milliseconds: u64) -> Receipt {
        Receipt { proxies, confirmed, connections_cut: 3, milliseconds }
    }

    #[test]
    fn it_is_over_when_the_last_proxy_has_confirmed() {
        let start = Instant::now();
        let mut revocation = Revocation::begin(7, start);
        assert_eq!(revocation.look(2, 1, start + Duration::from_millis(10)), None);
        assert_eq!(revocation.look(0, 3, start + Duration::from_millis(42)), Some(receipt(7, 7, 42)));
    }

    #[test]
    fn a_proxy_that_does_not_answer_is_waited_for_so_long_and_said() {
        let start = Instant::now();
        let mut revocation = Revocation::begin(7, start);
        assert_eq!(revocation.look(1, 3, start + LIMIT - Duration::from_millis(1)), None);
        assert_eq!(revocation.look(1, 3, start + LIMIT), Some(receipt(7, 6, 30_000)));
    }

    #[test]
    fn the_receipt_is_what_the_command_reads() {
        let json = serde_json::to_string(&receipt(7, 7, 42)).unwrap();
        assert_eq!(json, r#"{"proxies":7,"confirmed":7,"connectionsCut":3,"milliseconds":42}"#);
    }
}
