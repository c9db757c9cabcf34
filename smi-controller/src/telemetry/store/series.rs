//! What was counted of one edge over the last hour: finely of late, and more coarsely before.

use std::time::Duration;

use super::ring::{Counts, Ring};

/// A ring for each fineness: width of its slots in milliseconds, and how many it keeps.
const TIERS: [(u64, u32); 3] = [(2_000, 61), (10_000, 61), (60_000, 61)];
/// As far back as may be asked.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// One edge's.
#[derive(Debug, Default)]
pub(super) struct Series {
    rings: [Ring; TIERS.len()],
}

impl Series {
    /// Counts of the time from `from` to `to`, in milliseconds of the store's clock.
    pub(super) fn add(&mut self, from: u64, to: u64, counts: &Counts) {
        for (ring, (width, keep)) in self.rings.iter_mut().zip(TIERS) {
            let span = to.saturating_sub(from);
            let last = to / width;
            // What is older than the ring would go at once.
            let first = (from / width).max(last.saturating_sub(u64::from(keep)));
            for slot in first..=last {
                let at = |time: u64| time.clamp(from, to) - from;
                let part = match span {
                    0 => *counts,
                    _ => counts.part(at(slot * width), at((slot + 1) * width), span),
                };
                if !part.is_empty() {
                    ring.add(u32::try_from(slot).unwrap_or(u32::MAX), &part, keep);
                }
            }
        }
    }

    /// What was counted within the window before `now`: whole slots, those that lie in it by half or more.
    pub(super) fn within(&self, now: u64, window: Duration) -> Counts {
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let covers = |(_, (width, keep)): &(&Ring, (u64, u32))| window <= width * u64::from(keep - 1);
        let Some((ring, (width, _))) = self.rings.iter().zip(TIERS).find(covers) else {
            return Counts::default();
        };
        // The first slot whose middle isn't before the window's beginning.
        let first = match now.checked_sub(window) {
            None => 0,
            Some(begin) => (begin + width / 2) / width,
        };
        ring.since(u32::try_from(first).unwrap_or(u32::MAX))
    }

    /// Has nothing happened in the longest window?
    pub(super) fn is_over(&self, now: u64) -> bool {
        let newest =
            self.rings.iter().zip(TIERS).filter_map(|(ring, (width, _))| Some((u64::from(ring.newest()?) + 1) * width));
        let longest = u64::try_from(LONGEST.as_millis()).unwrap_or(u64::MAX);
        newest.min().is_none_or(|newest| newest.saturating_add(longest) < now)
    }

    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.rings.iter().map(Ring::size).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use isthmus_core::telemetry::BUCKETS;
    use proptest::prelude::*;

    use super::*;

    fn successes(count: u64) -> Counts {
        Counts::new(count, 0, [0; BUCKETS])
    }

    #[test]
    fn a_report_that_covers_more_than_a_slot_is_spread_over_its_time() {
        let mut series = Series::default();
        series.add(100_000, 160_000, &successes(600));
        let within = |seconds| series.within(160_000, Duration::from_secs(seconds)).0[0];
        assert_eq!((within(10), within(30), within(60), within(3600)), (100, 300, 600, 600));
    }

    #[test]
    fn what_is_older_than_an_hour_is_over() {
        let mut series = Series::default();
        assert!(series.is_over(0));
        series.add(0, 0, &successes(1));
        assert!(!series.is_over(3_600_000));
        assert!(series.is_over(3_662_000));
    }

    #[test]
    fn an_edge_that_never_rests_takes_a_few_kilobytes() {
        let mut series = Series::default();
        for n in 1..=3600_u64 {
            let latency = std::array::from_fn(|bucket| if (3..9).contains(&bucket) { 100 * bucket as u64 } else { 0 });
            series.add((n - 1) * 2000, n * 2000, &Counts::new(3000, 7, latency));
        }
        assert!(series.size() < 7_000, "{} bytes", series.size());
    }

    proptest! {
        /// Against a list of all that was ever reported.
        #[test]
        fn a_window_is_answered_to_within_a_slot(
            reports in prop::collection::vec((100..20_000_u64, 0..500_u64, 0..1000_u64), 1..150),
            later in 0..5_000_u64,
            seconds in 10..=3600_u64,
        ) {
            let (mut series, mut naive, mut now) = (Series::default(), Vec::new(), 0);
            for (covers, idle, count) in reports {
                now += idle + covers;
                series.add(now - covers, now, &successes(count));
                naive.push((now - covers, now, count));
            }
            now += later;
            let width = match seconds { 0..=120 => 2_000, 121..=600 => 10_000, _ => 60_000 };
            let sum = |from: u64, of: &dyn Fn(u64, u64) -> u64| {
                naive.iter().map(|(begin, end, count)| count * of((*begin).max(from), (*end).max(from)) / (end - begin)).sum::<u64>()
            };
            let begin = now.saturating_sub(seconds * 1000);
            let part: &dyn Fn(u64, u64) -> u64 = &|begin, end| end - begin;
            let (least, most) = (sum(begin + width, part), sum(begin.saturating_sub(width), part));
            let slack = naive.len() as u64;
            let told = series.within(now, Duration::from_secs(seconds)).0[0];
            prop_assert!(told + slack >= least && told <= most + slack, "{least} <= {told} <= {most}");
        }
    }
}
