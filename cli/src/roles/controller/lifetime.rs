//! How long certificates live, as it is written on the command line.

use std::{ops::RangeInclusive, time::Duration};

/// Shorter ones leave no time to be renewed in; longer ones are no protection from a stolen key.
const ALLOWED: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(365 * 24 * 3600);

/// A whole number with a unit, such as 24h, 90m or 30s.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let fault = || format!("{text:?} is not a lifetime: write a number and s, m or h, from 5s to 8760h");
    let number = text.trim_end_matches(['s', 'm', 'h']);
    let seconds: u64 = match text.strip_prefix(number) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return Err(fault()),
    };
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).map(Duration::from_secs);
    total.filter(|lifetime| ALLOWED.contains(lifetime)).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_have_a_unit_and_bounds() {
        for (text, seconds) in [("5s", 5), ("90m", 5400), ("24h", 86_400), ("8760h", 31_536_000)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "24", "4s", "0h", "8761h", "1d", "1.5h", "-1h", "1hs", "18446744073709551615h", " 1h"] {
            assert!(parse(text).is_err_and(|fault| fault.contains(&format!("{text:?}"))), "{text}");
        }
    }
}
