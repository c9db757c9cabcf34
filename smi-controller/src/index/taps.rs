//! Who watches which pods at the moment.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_core::telemetry::tap::Tap;

use super::{Fact, Facts};

/// A tap, and the pods that it is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TapAt {
    pub(crate) namespace: Arc<str>,
    pub(crate) target: TapTarget,
    pub(crate) tap: Tap,
}

/// Which pods of the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TapTarget {
    All,
    Pod(Arc<str>),
    /// Those behind this Service.
    Service(Arc<str>),
    /// Those that this owns: kind, as Kubernetes spells it, and name.
    Owner(Arc<str>, Arc<str>),
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    by_id: BTreeMap<u64, TapAt>,
}

impl Taps {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TapAt> {
        self.by_id.values()
    }

    /// Begins one, or ends it.
    pub(crate) fn set(&mut self, id: u64, tap: Option<TapAt>, facts: &mut Facts) {
        let before = match tap {
            Some(tap) => {
                facts.insert(Fact::Taps(tap.namespace.clone()));
                self.by_id.insert(id, tap)
            }
            None => self.by_id.remove(&id),
        };
        facts.extend(before.map(|before| Fact::Taps(before.namespace)));
    }
}
