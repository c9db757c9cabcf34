//! The connections that are passed on, by their ClientHello: one that comes round again, because gateways have been given each
//! other's addresses, is found out.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use parking_lot::Mutex;

/// Among so many parts two workers seldom want the same one at the same moment.
const SHARDS: usize = 64;

/// Some of the connections.
type Shard = Mutex<HashSet<[u8; 32]>>;

/// Shared by all workers, for a connection may come round to another one. Which part it is in is drawn anew at each start, so that
/// no client can have them all in one.
#[derive(Debug)]
pub(crate) struct Passing {
    shards: [Shard; SHARDS],
    order: RandomState,
}

/// A connection that passes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass<'p> {
    shard: &'p Shard,
    random: [u8; 32],
}

impl Default for Passing {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()), order: RandomState::new() }
    }
}

impl Passing {
    /// Lets a connection pass, unless it does already.
    pub(crate) fn enter(&self, random: [u8; 32]) -> Option<Pass<'_>> {
        let shard = self.shard(&random);
        let new = shard.lock().insert(random);
        new.then(|| Pass { shard, random })
    }

    fn shard(&self, random: &[u8; 32]) -> &Shard {
        let [first, others @ ..] = &self.shards;
        let place = self.order.hash_one(random) % (SHARDS as u64);
        usize::try_from(place).ok().and_then(|place| others.get(place)).unwrap_or(first)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.shard.lock().remove(&self.random);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    fn random(n: u32) -> [u8; 32] {
        let mut random = [0; 32];
        random[..4].copy_from_slice(&n.to_be_bytes());
        random
    }

    #[test]
    fn a_connection_passes_once_at_a_time() {
        let passing = Passing::default();
        let one = passing.enter([1; 32]);
        assert!(one.is_some() && passing.enter([2; 32]).is_some());
        assert!(passing.enter([1; 32]).is_none());
        drop(one);
        assert!(passing.enter([1; 32]).is_some());
    }

    /// Each is found in the part that it was put into, and leaves it: whatever part that is.
    #[test]
    fn many_connections_are_told_apart_and_leave_nothing() {
        let passing = Passing::default();
        let all: Vec<_> = (0..10_000).map(|n| passing.enter(random(n)).unwrap()).collect();
        assert!((0..10_000).all(|n| passing.enter(random(n)).is_none()));
        let fullest = passing.shards.iter().map(|shard| shard.lock().len()).max();
        assert!(fullest < Some(10_000 / SHARDS * 3), "{fullest:?}");
        drop(all);
        assert!(passing.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn of_workers_that_see_one_connection_at_the_same_moment_one_lets_it_pass() {
        const WORKERS: usize = 4;
        let (passing, together) = (Passing::default(), Barrier::new(WORKERS));
        let work = |n| {
            together.wait();
            let pass = passing.enter(random(n));
            together.wait();
            pass.is_some()
        };
        let passed = thread::scope(|scope| {
            let workers = [(); WORKERS].map(|()| scope.spawn(|| (0..1000).map(work).filter(|passed| *passed).count()));
            workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>()
        });
        assert_eq!(passed, 1000);
    }
}
