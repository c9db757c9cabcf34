//! Durations as Go writes them.

use std::time::Duration;

use super::store::LONGEST;

/// The window if none is asked for.
pub(crate) const DEFAULT: Duration = Duration::from_secs(30);
/// The shortest: proxies report every 2 s.
pub(crate) const SHORTEST: Duration = Duration::from_secs(10);

/// Reads `t`. The error says which windows there are.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let refuse = || format!("t: {text:?} must be a duration from 10s to 1h, such as 30s, 5m or 1h");
    parse(text).filter(|window| (SHORTEST..=LONGEST).contains(window)).ok_or_else(refuse)
}

/// As Go's `time.ParseDuration`, down to milliseconds. `None`: it can't be read.
fn parse(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after.get(unit.len()..)?;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// As Go's `Duration.String`, of whole seconds: `30s`, `1m0s`, `1h0m0s`.
pub(crate) fn write(window: Duration) -> String {
    let (seconds, millis) = (window.as_secs(), window.subsec_millis());
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let fraction = match millis {
        0 => String::new(),
        millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
    };
    let rest = format!("{}{fraction}s", seconds % 60);
    match (hours, minutes) {
        (0, 0) => rest,
        (0, minutes) => format!("{minutes}m{rest}"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_written_as_go_does() {
        for (text, seconds, written) in [
            ("30s", 30, "30s"),
            ("1m", 60, "1m0s"),
            ("90s", 90, "1m30s"),
            ("0.5h", 1800, "30m0s"),
            ("1h", 3600, "1h0m0s"),
            ("59m60s", 3600, "1h0m0s"),
            ("10000ms", 10, "10s"),
        ] {
            let window = read(text).unwrap();
            assert_eq!((window, write(window).as_str()), (Duration::from_secs(seconds), written), "{text}");
        }
        assert_eq!(write(read("10.5s").unwrap()), "10.5s");
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_bounds() {
        for text in [
            "",
            "30",
            "s",
            "9s",
            "9.999s",
            "61m",
            "1h1ms",
            "-30s",
            "+30s",
            "30 s",
            "1..5m",
            "1d",
            "1e9h",
            "99999999999999999999h",
        ] {
            assert!(read(text).unwrap_err().contains("from 10s to 1h"), "{text}");
        }
    }
}
