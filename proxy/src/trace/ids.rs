//! New ids. They must differ from all others and be spread evenly; nobody is kept from guessing them.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

use isthmus_core::trace::{SpanId, TraceId};

/// xoshiro256++: 256 bits of state, so that neither part of an id tells the other.
pub(super) struct Ids(Cell<[u64; 4]>);

impl Ids {
    pub(super) fn new() -> Self {
        // Each has keys of its own. Zeros alone would stay zeros.
        Self(Cell::new([1, 2, 3, 4].map(|n: u64| RandomState::new().hash_one(n) | 1)))
    }

    fn next(&self) -> u64 {
        let [a, b, c, d] = self.0.get();
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        let (b_next, a_next) = (b ^ c, a ^ d);
        self.0.set([a_next, b_next, c ^ (b << 17), d.rotate_left(45)]);
        result
    }

    pub(super) fn trace(&self) -> TraceId {
        loop {
            let bytes = (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes();
            if let Some(id) = TraceId::new(bytes) {
                return id;
            }
        }
    }

    pub(super) fn span(&self) -> SpanId {
        loop {
            if let Some(id) = SpanId::new(self.next().to_be_bytes()) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_xoshiro256_plus_plus() {
        // The reference implementation's first words from the state 1, 2, 3, 4.
        let ids = Ids(Cell::new([1, 2, 3, 4]));
        let words = [(); 4].map(|()| ids.next());
        assert_eq!(words, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn workers_make_different_ids() {
        let (one, other) = (Ids::new(), Ids::new());
        assert!(one.trace() != other.trace() && one.span() != one.span());
    }
}
