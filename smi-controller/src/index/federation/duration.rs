//! Durations as users write them: `90s`, `5m`, `1h`.

use std::time::Duration;

/// `None`: not a whole number from 1 and one unit.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (number, seconds) = [("s", 1), ("m", 60), ("h", 3600)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|number| digits && *number > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_one_unit_are_read() {
        assert_eq!(parse("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse("1h"), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "s",
            "5",
            "5 m",
            "+5m",
            "-1s",
            "1.5h",
            "0s",
            "1h30m",
            "5d",
            "99999999999999999999h",
            "6000000000000000h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
