//! Cutting a peer off: its bundle and imports are dropped by being compiled without it, and here it is counted who has
//! confirmed that.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::serve::Farewell;

/// How long proxies may take to confirm. Who hasn't by then gets it as soon as it reaches a controller.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// One revocation that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revocation {
    began: Instant,
    proxies: usize,
    cut: u64,
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
    /// It has begun.
    pub(super) fn begin(now: Instant) -> Self {
        Self { began: now, proxies: 0, cut: 0 }
    }

    /// How far it is. `held`: was the peer's bundle ever held? `None`: it goes on.
    pub(super) fn look(&mut self, farewell: &Farewell, held: bool, now: Instant) -> Option<Receipt> {
        let Farewell { holding, proxies, cut, unknown } = *farewell;
        // Proxies come and go, and a replica with those that are connected to it: who was counted stays so. One that connects
        // meanwhile and says to hold the bundle has to confirm as well.
        self.proxies = self.proxies.max(holding).max(if held { proxies } else { 0 });
        self.cut = self.cut.max(cut);
        let took = now.saturating_duration_since(self.began);
        let done = holding == 0 && !unknown;
        (done || took >= LIMIT).then(|| Receipt {
            proxies: self.proxies,
            confirmed: self.proxies - holding,
            connections_cut: self.cut,
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

    fn farewell(holding: usize, cut: u64) -> Farewell {
        Farewell { holding, proxies: 7, cut, unknown: false }
    }

    #[test]
    fn it_is_over_when_the_last_proxy_has_confirmed() {
        let start = Instant::now();
        let mut revocation = Revocation::begin(start);
        assert_eq!(revocation.look(&farewell(2, 1), true, start + Duration::from_millis(10)), None);
        assert_eq!(revocation.look(&farewell(0, 3), true, start + Duration::from_millis(42)), Some(receipt(7, 7, 42)));
    }

    #[test]
    fn a_proxy_that_does_not_answer_is_waited_for_so_long_and_said() {
        let start = Instant::now();
        let mut revocation = Revocation::begin(start);
        assert_eq!(revocation.look(&farewell(1, 3), true, start + LIMIT - Duration::from_millis(1)), None);
        assert_eq!(revocation.look(&farewell(1, 3), true, start + LIMIT), Some(receipt(7, 6, 30_000)));
    }

    #[test]
    fn a_replica_that_has_not_said_anything_is_waited_for_and_one_that_goes_takes_nothing_with_it() {
        let start = Instant::now();
        let mut revocation = Revocation::begin(start);
        assert_eq!(revocation.look(&farewell(1, 3), true, start), None);
        let left = Farewell { holding: 0, proxies: 4, cut: 1, unknown: true };
        assert_eq!(revocation.look(&left, true, start), None);
        let known = Farewell { unknown: false, ..left };
        assert_eq!(revocation.look(&known, true, start), Some(receipt(7, 7, 0)));
    }

    #[test]
    fn nobody_has_to_confirm_what_nobody_has_held() {
        let start = Instant::now();
        let receipt = Revocation::begin(start).look(&farewell(0, 0), false, start).unwrap();
        assert_eq!((receipt.proxies, receipt.confirmed), (0, 0));
    }

    #[test]
    fn the_receipt_is_what_the_command_reads() {
        let json = serde_json::to_string(&receipt(7, 7, 42)).unwrap();
        assert_eq!(json, r#"{"proxies":7,"confirmed":7,"connectionsCut":3,"milliseconds":42}"#);
    }
}
