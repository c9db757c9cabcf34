//! The time as logs write it.

use std::{
    cell::Cell,
    ops::Range,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const DAY: u64 = 86_400;
/// For so long the wall's clock goes as the other one does; then it is looked at again, for it may have been set.
const AGREED: Duration = Duration::from_secs(1);

/// Tells the time of what was measured by the monotonic clock, so that nobody asks two clocks about one request.
#[derive(Debug)]
pub(crate) struct Clock {
    /// When the wall's clock was looked at, and what it said, since 1970.
    looked: Cell<(Instant, Duration)>,
    /// The last stamp, and its second: most of those that follow are of the same.
    last: Cell<(u64, Stamp)>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { looked: Cell::new((Instant::now(), wall())), last: Cell::new((0, Stamp::of(Duration::ZERO))) }
    }

    /// When it was `instant`, which is now or has just been.
    pub(crate) fn stamp(&self, instant: Instant) -> Stamp {
        let time = self.time(instant);
        let (second, last) = self.last.get();
        let stamp = if second == time.as_secs() { last.at(time.subsec_micros()) } else { Stamp::of(time) };
        self.last.set((time.as_secs(), stamp));
        stamp
    }

    fn time(&self, instant: Instant) -> Duration {
        let (looked, time) = self.looked.get();
        let since = instant.saturating_duration_since(looked);
        if since < AGREED {
            return time.saturating_add(since);
        }
        let now = wall();
        self.looked.set((instant, now));
        now
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A time in UTC, with microseconds: `2026-01-31T23:59:59.000001Z`. Years have four digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp([u8; 27]);

impl Stamp {
    /// So long after 1970.
    pub(crate) fn of(since: Duration) -> Self {
        let (days, within) = (since.as_secs() / DAY, since.as_secs() % DAY);
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (range, value) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, within / 3600),
            (14..16, within / 60 % 60),
            (17..19, within % 60),
        ] {
            write(&mut text, range, value);
        }
        Self(text).at(since.subsec_micros())
    }

    /// The same second, and so many microseconds.
    fn at(mut self, micros: u32) -> Self {
        write(&mut self.0, 20..26, micros.into());
        self
    }

    /// As it is written: ASCII.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Writes a number to where its digits are.
fn write(text: &mut [u8], range: Range<usize>, value: u64) {
    let mut rest = value;
    for digit in text.get_mut(range).into_iter().flatten().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
}

/// The date so many days after 1970-01-01: years are counted from a first of March, so that leap days come last.
fn date(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01, in eras of 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_agree_for_a_second() {
        let clock = Clock::new();
        let (looked, time) = clock.looked.get();
        assert_eq!(clock.time(looked + Duration::from_micros(1500)), time + Duration::from_micros(1500));
        // The wall's clock was set back an hour.
        clock.looked.set((looked, time - Duration::from_secs(3600)));
        assert!(clock.time(looked + AGREED) >= time);
        assert!(clock.time(looked + AGREED + Duration::from_millis(1)) >= time);
    }

    #[test]
    fn stamps_of_one_second_follow_from_each_other() {
        let clock = Clock::new();
        let at = Duration::new(1_767_225_599, 1_000);
        let begun = Instant::now();
        for micros in [0, 999_998, 999_999, 500_000, 1_999_999, 61_000_000] {
            clock.looked.set((begun, at + Duration::from_micros(micros)));
            assert_eq!(clock.stamp(begun), Stamp::of(at + Duration::from_micros(micros)));
        }
    }

    #[test]
    fn times_are_written_as_in_rfc_3339() {
        for (secs, micros, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, 999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199, 1, "2024-02-29T23:59:59.000001Z"),
            (1_767_225_600, 0, "2026-01-01T00:00:00.000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
        ] {
            let at = Duration::new(secs, micros * 1000);
            assert_eq!(Stamp::of(at).as_bytes(), text.as_bytes());
        }
    }
}
