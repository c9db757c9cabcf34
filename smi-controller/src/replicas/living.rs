//! How long a replica that isn't heard is waited for.

use std::time::Duration;

/// How long a proxy may take to notice that its replica is gone, as the replica takes to notice that of a proxy; and some more.
pub(super) const GONE: Duration = Duration::from_secs(45);

/// Can no proxy be connected any more to a replica that wasn't heard for so long? While proxies are sent to it, it lives,
/// whether or not it is heard here: that this replica doesn't reach it doesn't mean that nobody does.
pub(super) fn is_gone(unheard: Duration, ready: bool) -> bool {
    !ready && unheard >= GONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_waited_for_while_a_proxy_may_be_connected_to_it() {
        assert!(!is_gone(Duration::ZERO, false), "it has just started");
        assert!(!is_gone(GONE - Duration::from_millis(1), false), "its proxies may not have noticed yet");
        assert!(is_gone(GONE, false));
        assert!(!is_gone(GONE * 100, true), "it isn't reached from here, and lives");
    }
}
