//! Does something grow? The median of the last fifth of the time is held against that of the second; the first is for
//! pools and caches to fill.

use std::fmt;

use anyhow::{bail, ensure};

use crate::stats::median;

/// Growth that is let pass: a share, and a number beside it for what is small.
const SHARE: f64 = 0.1;
const MIB: f64 = 2.0;
const FILES: f64 = 8.0;
/// The fewest samples of a fifth that say anything.
const FEWEST: usize = 3;

/// One look at a sidecar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) rss_mib: f64,
    pub(super) files: usize,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB, {} files", self.rss_mib, self.files)
    }
}

/// Prints what each sidecar used early and late, and fails when it has grown.
pub(super) fn judge(names: &[&str], samples: &[Vec<Sample>]) -> anyhow::Result<()> {
    let mut grown = Vec::new();
    for (name, samples) in names.iter().zip(samples) {
        for (what, of, floor) in [
            ("MiB resident", (|s: &Sample| s.rss_mib) as fn(&Sample) -> f64, MIB),
            ("open files", |s| s.files as f64, FILES),
        ] {
            let (early, late) = compare(samples, of)?;
            println!("  {name}: {early:.1} {what} in the second fifth, {late:.1} in the last");
            if late > early * (1.0 + SHARE) + floor {
                grown.push(format!("{name}: from {early:.1} to {late:.1} {what}"));
            }
        }
    }
    if !grown.is_empty() {
        bail!("it grows, by more than {} % and {MIB} MiB or {FILES} files: {}", SHARE * 100.0, grown.join("; "));
    }
    Ok(())
}

/// The medians of the second fifth and of the last.
fn compare(samples: &[Sample], of: fn(&Sample) -> f64) -> anyhow::Result<(f64, f64)> {
    let fifth = samples.len() / 5;
    ensure!(fifth >= FEWEST, "{} samples are too few: let it run longer", samples.len());
    let part = |from: usize| median(samples.iter().skip(from).take(fifth).map(of));
    Ok((part(fifth), part(samples.len() - fifth)))
}

#[cfg(test)]
mod tests;
