//! When a workload asks for its next certificate, and what it makes of one that its clock doesn't agree with.

use std::time::{Duration, SystemTime};

use crate::{BACKDATE, Svid};

/// Pause before the first retry; doubled each time.
pub const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest pause while the certificate is good for long.
pub const RETRY_LONGEST: Duration = Duration::from_mins(5);
/// Longest pause without a certificate, or with one that has expired.
pub const RETRY_WITHOUT: Duration = Duration::from_secs(10);
/// Shortest ceiling of the pauses, when the certificate is about to expire.
pub const RETRY_URGENT: Duration = Duration::from_secs(1);
/// A retry comes after at most this part of what is left of the certificate's life.
pub const RETRY_SHARE: u32 = 20;
/// From this difference on, a clock is called wrong: long before peers refuse fresh certificates, at [`BACKDATE`].
pub const MAX_SKEW: Duration = Duration::from_secs(30);

/// The pause after a certificate was had: until [`Svid::renew_at`]; but at least a third of what is left, so that a clock that
/// is ahead makes no storm.
pub fn after_success(svid: &Svid, now: SystemTime, jitter: f64) -> Duration {
    let left = svid.not_after().duration_since(now).unwrap_or_default();
    svid.renew_at(jitter).duration_since(now).unwrap_or_default().max(left / 3).max(RETRY_FIRST)
}

/// The pause after this many failures in a row (from 1), with that much left of the certificate in hand: doubling, up to a
/// [`RETRY_SHARE`]th of what is left, so that tries come sooner as its end comes nearer.
pub fn after_failure(failures: u32, left: Option<Duration>, jitter: f64) -> Duration {
    let ceiling = match left.filter(|left| !left.is_zero()) {
        Some(left) => (left / RETRY_SHARE).clamp(RETRY_URGENT, RETRY_LONGEST),
        None => RETRY_WITHOUT,
    };
    let full = RETRY_FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(ceiling);
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    full.mul_f64(1.0 - jitter / 2.0)
}

/// The pause before a renewal that the whole mesh makes at once, because another root signs: spread over a hundredth of what is
/// left, half a minute at most.
pub fn spread(left: Duration, jitter: f64) -> Duration {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    (left / 100).min(Duration::from_secs(30)).mul_f64(jitter)
}

/// How far the clock of who has just issued a certificate is from this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// This clock is behind by so much.
    Behind(Duration),
    /// This clock is ahead by so much.
    Ahead(Duration),
}

impl Skew {
    /// Tells by the first moment of a fresh certificate, which is [`BACKDATE`] before it was issued.
    pub fn of(fresh: &Svid, now: SystemTime) -> Self {
        let issued = fresh.not_before().checked_add(BACKDATE).unwrap_or(fresh.not_before());
        match issued.duration_since(now) {
            Ok(behind) => Self::Behind(behind),
            Err(ahead) => Self::Ahead(ahead.duration()),
        }
    }

    /// Seconds that this clock is behind; negative when it is ahead.
    pub fn seconds(self) -> i64 {
        let seconds = |by: Duration| i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        match self {
            Self::Behind(by) => seconds(by),
            Self::Ahead(by) => -seconds(by),
        }
    }

    /// What to tell the operator, if it is too much.
    pub fn complaint(self) -> Option<String> {
        let (by, side, effect) = match self {
            Self::Behind(by) => (by, "behind", "peers' fresh certificates may not be valid here yet"),
            Self::Ahead(by) => (by, "ahead of", "certificates expire early here"),
        };
        (by > MAX_SKEW).then(|| {
            format!("this node's clock is {} s {side} the controller's: {effect}; set both clocks by NTP", by.as_secs())
        })
    }
}

#[cfg(test)]
mod tests;
