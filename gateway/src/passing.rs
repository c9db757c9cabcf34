//! The connections that are passed on, by their ClientHello: one that comes round again, because gateways have been given each
//! other's addresses, is found out.

use std::collections::HashSet;

use parking_lot::Mutex;

/// Shared by all workers; taken once for each connection.
#[derive(Debug, Default)]
pub(crate) struct Passing(Mutex<HashSet<[u8; 32]>>);

/// A connection that passes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass<'p> {
    passing: &'p Passing,
    random: [u8; 32],
}

impl Passing {
    /// Lets a connection pass, unless it does already.
    pub(crate) fn enter(&self, random: [u8; 32]) -> Option<Pass<'_>> {
        let new = self.0.lock().insert(random);
        new.then(|| Pass { passing: self, random })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.passing.0.lock().remove(&self.random);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_passes_once_at_a_time() {
        let passing = Passing::default();
        let one = passing.enter([1; 32]);
        assert!(one.is_some() && passing.enter([2; 32]).is_some());
        assert!(passing.enter([1; 32]).is_none());
        drop(one);
        assert!(passing.enter([1; 32]).is_some());
    }
}
