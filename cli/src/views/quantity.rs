//! Numbers as Kubernetes writes them, and durations as Go does.

use std::time::Duration;

/// The value of a Quantity: `294`, `28580m`, `1.5k`, `2Mi`, `12e3`.
pub(crate) fn quantity(text: &str) -> Option<f64> {
    // An `e` or `E` that a number follows is an exponent, which the parser of numbers knows.
    if let Ok(value) = text.parse::<f64>() {
        return value.is_finite().then_some(value);
    }
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, suffix) = text.split_at_checked(at)?;
    let number: f64 = number.parse().ok()?;
    // Divided, for a thousandth isn't exact in floating point.
    let value = match suffix {
        "n" => number / 1e9,
        "u" => number / 1e6,
        "m" => number / 1e3,
        "k" => number * 1e3,
        "M" => number * 1e6,
        "G" => number * 1e9,
        "T" => number * 1e12,
        "P" => number * 1e15,
        "E" => number * 1e18,
        "Ki" => number * 1024.0,
        "Mi" => number * 1_048_576.0,
        "Gi" => number * 1_073_741_824.0,
        "Ti" => number * 1_099_511_627_776.0,
        _ => return None,
    };
    value.is_finite().then_some(value)
}

/// The longest duration that is one here: nobody's window, but room for a clear answer of the server's.
const LONGEST: f64 = 365.0 * 86400.0;

/// A duration as Go writes it: `30s`, `1m0s`, `1h30m`, `500ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| c.is_ascii_alphabetic() || c == 'µ')?)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, left) = after.split_at_checked(end)?;
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = left;
    }
    let sensible = !text.is_empty() && seconds > 0.0 && seconds <= LONGEST;
    sensible.then(|| Duration::from_secs_f64(seconds))
}

/// Reads a window off the command line; which ones there are is for the server to say.
pub(crate) fn window(text: &str) -> Result<String, String> {
    match duration(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("{text:?} isn't a duration like 30s, 5m or 1h30m")),
    }
}

/// Reads how often something is done off the command line.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let read = duration(text).filter(|d| (Duration::from_millis(200)..=Duration::from_secs(3600)).contains(d));
    read.ok_or_else(|| format!("{text:?} isn't a duration from 200ms to 1h, like 2s"))
}

/// For people: `30 s`, `10 min`, `1 h`.
pub(crate) fn words(window: Duration) -> String {
    match window.as_secs() {
        s if s > 0 && s.is_multiple_of(3600) => format!("{} h", s / 3600),
        s if s > 0 && s.is_multiple_of(60) => format!("{} min", s / 60),
        _ => format!("{} s", window.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, value) in [
            ("0", 0.0),
            ("294", 294.0),
            ("28580m", 28.58),
            ("1.5k", 1500.0),
            ("12e3", 12_000.0),
            ("1E", 1e18),
            ("2Ki", 2048.0),
        ] {
            assert_eq!(quantity(text), Some(value), "{text}");
        }
        for text in ["", "m", "-", "1x", "NaN", "inf", "1e400", "5 m"] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [("30s", 30_000), ("1m0s", 60_000), ("1h30m", 5_400_000), ("500ms", 500), ("1.5s", 1500)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "s", "-5s", "1d", "0s", "1e9h", "30s5"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn windows_are_told_in_words() {
        let told = [30, 60, 90, 600, 3600].map(|s| words(Duration::from_secs(s)));
        assert_eq!(told, ["30 s", "1 min", "90 s", "10 min", "1 h"]);
    }
}
