//! Counts over time, in slots of equal width. A slot is a few bytes: most edges use few buckets, and there are many edges.

use isthmus_core::telemetry::BUCKETS;

/// What a slot counts: successes, failures, and the buckets of latency.
const FIELDS: usize = 2 + BUCKETS;

/// Counts of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts(pub(crate) [u64; FIELDS]);

impl Counts {
    pub(crate) fn new(successes: u64, failures: u64, latency: [u64; BUCKETS]) -> Self {
        let mut counts = [successes, failures].into_iter().chain(latency);
        Self(std::array::from_fn(|_| counts.next().unwrap_or_default()))
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// What of it belongs to the part from `from` to `to` of a whole. Parts that follow each other add up to it.
    pub(crate) fn part(&self, from: u64, to: u64, whole: u64) -> Self {
        let until = |count: u64, end: u64| u128::from(count) * u128::from(end) / u128::from(whole.max(1));
        Self(self.0.map(|count| u64::try_from(until(count, to).saturating_sub(until(count, from))).unwrap_or(u64::MAX)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

/// The last slots in which something happened.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Each: the slot's number (4 bytes), which fields it has (varint), the fields (varints).
    bytes: Vec<u8>,
    /// Where the newest begins.
    newest: usize,
}

impl Ring {
    /// Adds to a slot; to the newest if that is a later one. Slots that are `keep` or more older go.
    pub(super) fn add(&mut self, slot: u32, counts: &Counts, keep: u32) {
        let mut slot = slot;
        let mut counts = *counts;
        if let Some((newest, held, _)) = self.bytes.get(self.newest..).and_then(read) {
            if slot <= newest {
                slot = newest;
                counts.merge(&held);
                self.bytes.truncate(self.newest);
            } else {
                self.newest = self.bytes.len();
            }
        }
        write(slot, &counts, &mut self.bytes);
        let kept = slot.saturating_sub(keep);
        let old: usize =
            entries(&self.bytes).take_while(|(slot, ..)| *slot <= kept && kept > 0).map(|(.., size)| size).sum();
        if old > 0 {
            self.bytes.drain(..old);
            self.newest = self.newest.saturating_sub(old);
        }
    }

    /// The sum of the slots from this one on.
    pub(super) fn since(&self, first: u32) -> Counts {
        let mut sum = Counts::default();
        for (_, counts, _) in entries(&self.bytes).filter(|(slot, ..)| *slot >= first) {
            sum.merge(&counts);
        }
        sum
    }

    /// The newest slot.
    pub(super) fn newest(&self) -> Option<u32> {
        self.bytes.get(self.newest..).and_then(read).map(|(slot, ..)| slot)
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Slot, counts and size in bytes of each entry.
fn entries(mut bytes: &[u8]) -> impl Iterator<Item = (u32, Counts, usize)> {
    std::iter::from_fn(move || {
        let entry = read(bytes)?;
        bytes = bytes.get(entry.2..)?;
        Some(entry)
    })
}

fn write(slot: u32, counts: &Counts, out: &mut Vec<u8>) {
    out.extend(slot.to_le_bytes());
    let fields = counts.0.iter().enumerate().filter(|(_, count)| **count > 0);
    varint(fields.clone().fold(0, |present, (field, _)| present | 1 << field), out);
    for (_, count) in fields {
        varint(*count, out);
    }
}

fn read(bytes: &[u8]) -> Option<(u32, Counts, usize)> {
    let (slot, mut rest) = bytes.split_first_chunk::<4>()?;
    let present = read_varint(&mut rest)?;
    let mut counts = Counts::default();
    for (field, count) in counts.0.iter_mut().enumerate() {
        if present & (1 << field) != 0 {
            *count = read_varint(&mut rest)?;
        }
    }
    Some((u32::from_le_bytes(*slot), counts, bytes.len() - rest.len()))
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(slot: u32, counts: [u64; FIELDS], more: [u8; 3]) {
            let mut bytes = Vec::new();
            write(slot, &Counts(counts), &mut bytes);
            let size = bytes.len();
            bytes.extend(more);
            prop_assert_eq!(read(&bytes), Some((slot, Counts(counts), size)));
        }

        #[test]
        fn parts_add_up_to_the_whole(count in 0..=u64::MAX, whole in 1..1_000_000_u64, cut in 0.0..1.0_f64) {
            let counts = Counts([count; FIELDS]);
            let cut = (whole as f64 * cut) as u64;
            let mut sum = counts.part(0, cut, whole);
            sum.merge(&counts.part(cut, whole, whole));
            prop_assert_eq!(sum, counts);
        }

        #[test]
        fn a_ring_is_the_sum_of_its_last_slots(adds in prop::collection::vec((0..6_u32, 0..1000_u64), 1..60), first in 0..80_u32) {
            const KEEP: u32 = 20;
            let (mut ring, mut naive, mut now) = (Ring::default(), std::collections::BTreeMap::new(), 0);
            for (step, count) in adds {
                now += step;
                let counts = Counts::new(count, 0, [count; BUCKETS]);
                ring.add(now, &counts, KEEP);
                naive.entry(now).or_insert_with(Counts::default).merge(&counts);
            }
            let first = first.max((now + 1).saturating_sub(KEEP));
            let mut sum = Counts::default();
            naive.range(first..).for_each(|(_, counts)| sum.merge(counts));
            prop_assert_eq!(ring.since(first), sum);
            prop_assert_eq!(ring.newest(), Some(now));
            prop_assert!(entries(&ring.bytes).count() <= KEEP as usize);
        }
    }
}
