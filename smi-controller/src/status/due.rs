//! When which object is looked at for its status.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::fault::ObjectRef;

/// How long acknowledgements may take before a status says that they are still to come, and how often it tells of their
/// progress: a change that all proxies take in this time is one write.
pub(super) const PENDING: Duration = Duration::from_millis(250);
/// Pause before an object is looked at again: what couldn't be written, or has faults that may pass.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Objects that are to be looked at later.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeMap<ObjectRef, Instant>);

impl Due {
    /// When the first one is.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// Those that are by now.
    pub(super) fn by(&self, now: Instant) -> BTreeSet<ObjectRef> {
        self.0.iter().filter(|(_, at)| **at <= now).map(|(object, _)| object.clone()).collect()
    }

    /// Is it time to write an object's status? `pending`: more acknowledgements are to come.
    pub(super) fn is_time(&mut self, object: &ObjectRef, pending: bool, now: Instant) -> bool {
        if pending && *self.0.entry(object.clone()).or_insert(now + PENDING) > now {
            return false;
        }
        self.0.remove(object);
        true
    }

    /// An object is to be looked at again after [`RETRY`].
    pub(super) fn again(&mut self, object: ObjectRef, now: Instant) {
        self.0.insert(object, now + RETRY);
    }

    /// An object is gone.
    pub(super) fn forget(&mut self, object: &ObjectRef) {
        self.0.remove(object);
    }

    /// Another replica writes.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use isthmus_core::id::ObjectName;

    use super::*;
    use crate::fault::Kind;

    fn object(name: &str) -> ObjectRef {
        ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", name) }
    }

    #[test]
    fn what_is_complete_is_written_at_once_and_what_is_pending_after_a_while() {
        let (mut due, start, s) = (Due::default(), Instant::now(), object("s"));
        assert!(due.is_time(&s, false, start) && due.next().is_none());
        assert!(!due.is_time(&s, true, start), "the acknowledgements are on their way");
        assert!(!due.is_time(&s, true, start + PENDING / 2), "and more of them");
        assert_eq!(due.next(), Some(start + PENDING));
        assert!(due.is_time(&s, false, start + PENDING / 2), "all have come: written at once");
        assert_eq!(due.next(), None);
    }

    #[test]
    fn progress_is_told_at_a_bounded_pace() {
        let (mut due, start, s) = (Due::default(), Instant::now(), object("s"));
        let written = (0..1000).filter(|ms| due.is_time(&s, true, start + Duration::from_millis(*ms))).count();
        assert_eq!(written, 3, "each 250 ms, however many acknowledgements come");
    }

    #[test]
    fn what_failed_is_due_again() {
        let (mut due, start) = (Due::default(), Instant::now());
        due.again(object("a"), start);
        due.again(object("b"), start + RETRY);
        assert_eq!((due.next(), due.by(start)), (Some(start + RETRY), BTreeSet::new()));
        assert_eq!(due.by(start + RETRY), BTreeSet::from([object("a")]));
        due.forget(&object("a"));
        assert_eq!(due.by(start + RETRY * 2), BTreeSet::from([object("b")]));
        due.clear();
        assert_eq!(due.next(), None);
    }
}
