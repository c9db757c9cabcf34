//! What edges had counted that were let go. Where a series is the sum of several edges, it would step back without them, which
//! Prometheus takes for a restart.

use std::{collections::HashMap, sync::Arc};

use super::{Counts, Edge, Key};

/// Most sums that are kept; what is beyond steps back.
const MOST: usize = 500;

/// Sums over pods and clients, which such series don't tell apart.
#[derive(Debug, Default)]
pub(super) struct Gone(HashMap<Key, Counts>);

impl Gone {
    /// An edge is let go.
    pub(super) fn take(&mut self, edge: &Edge) {
        let key = coarse(&edge.key);
        let counts = edge.read();
        if let Some(sum) = self.0.get_mut(&key) {
            sum.merge(&counts);
        } else if self.0.len() < MOST {
            self.0.insert(key, counts);
        }
    }

    pub(super) fn all(&self) -> Vec<(Key, Counts)> {
        self.0.iter().map(|(key, counts)| (key.clone(), counts.clone())).collect()
    }
}

fn coarse(key: &Key) -> Key {
    let nothing: Arc<str> = Arc::default();
    let peer = key.peer.as_deref().cloned().map(|mut peer| {
        peer.pod = Arc::clone(&nothing);
        Arc::new(peer)
    });
    Key { peer, client: Arc::clone(&nothing), backend: Arc::clone(&nothing), split: nothing, ..key.clone() }
}
