//! Figures, for people and for programs.

use serde::Serialize;

use super::api::Golden;
use crate::output::{self, Column};

/// What programs read: rates and latencies of a window, and the counts that they are of.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    pub(super) window_seconds: f64,
    pub(super) requests: f64,
    pub(super) failures: f64,
    pub(super) rps: f64,
    /// From 0 to 1; null without requests.
    pub(super) success_rate: Option<f64>,
    pub(super) latency_ms: Latency,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
}

impl From<&Golden> for Figures {
    fn from(golden: &Golden) -> Self {
        Self {
            window_seconds: golden.window.as_secs_f64(),
            requests: golden.requests(),
            failures: golden.failures,
            rps: golden.rps(),
            success_rate: golden.success_rate(),
            latency_ms: Latency { p50: golden.p50, p90: golden.p90, p99: golden.p99 },
        }
    }
}

impl Figures {
    /// `99.95%`; rounded down, for 100 % means that nothing failed.
    pub(super) fn success(&self) -> String {
        self.success_rate.map_or_else(|| "-".to_owned(), percent)
    }

    pub(super) fn rate(&self) -> String {
        if self.requests > 0.0 { format!("{}/s", short(self.rps)) } else { "-".to_owned() }
    }

    pub(super) fn p50(&self) -> String {
        self.latency(self.latency_ms.p50)
    }

    pub(super) fn p90(&self) -> String {
        self.latency(self.latency_ms.p90)
    }

    pub(super) fn p99(&self) -> String {
        self.latency(self.latency_ms.p99)
    }

    /// In one line: `12.0/s 99.50% p99 4.00 ms`.
    pub(super) fn brief(&self) -> String {
        format!("{} {} p99 {}", self.rate(), self.success(), self.p99())
    }

    fn latency(&self, millis: f64) -> String {
        match millis {
            // Of connections that carry no requests none is measured.
            ms if self.requests <= 0.0 || ms <= 0.0 => "-".to_owned(),
            ms if ms >= 1000.0 => format!("{} s", short(ms / 1000.0)),
            ms => format!("{} ms", short(ms)),
        }
    }
}

/// A part of 1 in percent, rounded down.
fn percent(part: f64) -> String {
    // 0.29 * 10000 is 2899.999… in floating point: what is that near counts as reached.
    share((part * 10_000.0 + 1e-6).floor() / 10_000.0)
}

/// A part of 1 in percent, rounded to the nearest: shares add up to a whole.
pub(super) fn share(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

/// Three digits that count.
pub(super) fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A row that has figures.
pub(super) trait Measured {
    /// `None`: this one has none to show.
    fn figures(&self) -> Option<&Figures>;
}

/// A table of rows, the golden metrics after the columns that lead; coloured by how the rows fare.
pub(super) fn table<T: Measured>(rows: &[T], lead: Vec<Column<T>>, colour: bool) -> String {
    let golden: [Column<T>; 5] = [
        ("SUCCESS", |r| r.figures().map(Figures::success).unwrap_or_default()),
        ("RPS", |r| r.figures().map(Figures::rate).unwrap_or_default()),
        ("P50", |r| r.figures().map(Figures::p50).unwrap_or_default()),
        ("P90", |r| r.figures().map(Figures::p90).unwrap_or_default()),
        ("P99", |r| r.figures().map(Figures::p99).unwrap_or_default()),
    ];
    let columns: Vec<Column<T>> = lead.into_iter().chain(golden).collect();
    let text = output::table(rows, &columns);
    if !colour {
        return text;
    }
    let fare = |row: &T| Fare::of(row.figures()?.success_rate).sgr();
    paint(&text, std::iter::once(Some("1")).chain(rows.iter().map(fare)))
}

/// How well something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fare {
    Well,
    NotQuite,
    Badly,
}

impl Fare {
    pub(super) fn of(success_rate: Option<f64>) -> Self {
        match success_rate {
            Some(rate) if rate < 0.95 => Self::Badly,
            Some(rate) if rate < 0.99 => Self::NotQuite,
            _ => Self::Well,
        }
    }

    /// Its colour on a terminal.
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Well => None,
            Self::NotQuite => Some("33"),
            Self::Badly => Some("31"),
        }
    }
}

fn paint(text: &str, colours: impl Iterator<Item = Option<&'static str>>) -> String {
    let line = |(line, sgr): (&str, Option<&str>)| match sgr {
        Some(sgr) => format!("\x1b[{sgr}m{line}\x1b[0m\n"),
        None => format!("{line}\n"),
    };
    text.lines().zip(colours).map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn figures(successes: f64, failures: f64, p99: f64) -> Figures {
        Figures::from(&Golden { window: Duration::from_secs(30), successes, failures, p99, ..Golden::default() })
    }

    #[test]
    fn only_a_hundred_percent_are_a_hundred_percent() {
        let told = |good, bad| figures(good, bad, 0.0).success();
        assert_eq!(told(99_999.0, 1.0), "99.99%");
        assert_eq!(
            [told(29.0, 71.0), told(5.0, 0.0), told(0.0, 5.0), told(0.0, 0.0)],
            ["29.00%", "100.00%", "0.00%", "-"]
        );
    }

    #[test]
    fn rates_are_of_the_window() {
        assert_eq!(figures(300.0, 60.0, 0.0).rate(), "12.0/s");
        assert_eq!(figures(1.0, 0.0, 0.0).rate(), "0.03/s");
        assert_eq!(figures(0.0, 0.0, 0.0).rate(), "-");
    }

    #[test]
    fn latencies_are_in_a_unit_that_fits() {
        let told = [0.4, 12.34, 250.0, 1500.0].map(|ms| figures(1.0, 0.0, ms).p99());
        assert_eq!(told, ["0.40 ms", "12.3 ms", "250 ms", "1.50 s"]);
        assert_eq!([figures(0.0, 0.0, 5.0).p99(), figures(5.0, 0.0, 0.0).p99()], ["-", "-"]);
    }

    #[test]
    fn what_fails_is_coloured() {
        let colours = [Some(0.5), Some(0.98), Some(1.0), None].map(|rate| Fare::of(rate).sgr());
        assert_eq!(colours, [Some("31"), Some("33"), None, None]);
        let painted = paint("NAME\na\nb\n", [Some("1"), None, Some("31")].into_iter());
        assert_eq!(painted, "\x1b[1mNAME\x1b[0m\na\n\x1b[31mb\x1b[0m\n");
    }
}
