//! What a simulation has shown.

use std::{fmt, time::Duration};

use super::{Simulation, Size, Traffic};

/// The part of the sites that is cut off.
const CUT: usize = 10;
/// For how long.
const CUT_FOR: Duration = Duration::from_secs(60);
/// The time that traffic at rest is looked at for.
const REST: Duration = Duration::from_secs(30);

/// Times are simulated ones.
#[derive(Debug)]
pub(super) struct Report {
    size: Size,
    /// From nothing to everybody holding everything: also what a hub that was restarted empty costs.
    pub(super) cold: (Duration, Traffic),
    /// One pod more, told by one cluster to all clusters of its peers.
    pub(super) change: (Duration, Traffic),
    /// One site in ten was cut off for a minute, and each of them has changed meanwhile.
    pub(super) cut: (Duration, Traffic),
    /// Bytes a second with nothing happening.
    rest: f64,
    /// Catalogs in the hub, and their bytes.
    pub(super) hub: (usize, usize),
}

pub(super) fn run(size: Size) -> Report {
    let mut simulation = Simulation::new(size);
    let cold = (simulation.converge(), simulation.take_traffic());

    // What was still on its way is none of the change's.
    simulation.live(REST);
    simulation.take_traffic();
    simulation.change(0, &["tokena", "tokenb"]);
    let change = (simulation.converge(), simulation.take_traffic());

    let away: Vec<usize> = (0..simulation.sites.len()).step_by(CUT).collect();
    away.iter().for_each(|site| simulation.cut(*site));
    simulation.live(CUT_FOR);
    away.iter().for_each(|site| simulation.change(*site, &["tokenc"]));
    simulation.take_traffic();
    away.iter().for_each(|site| simulation.mend(*site));
    let cut = (simulation.converge(), simulation.take_traffic());

    simulation.live(REST);
    let rest = simulation.take_traffic();
    let rest = (rest.up + rest.down) as f64 / REST.as_secs_f64();
    let (_, catalogs, bytes) = simulation.hub.size();
    Report { size, cold, change, cut, rest, hub: (catalogs, bytes) }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { meshes, clusters, services } = self.size;
        write!(f, "| {meshes} × {clusters} × {services} |")?;
        for (took, Traffic { up, down, messages }) in [self.cold, self.change, self.cut] {
            let bytes = bytes(up + down);
            write!(f, " {:.2} s | {bytes} | {messages} |", took.as_secs_f64())?;
        }
        let (catalogs, held) = self.hub;
        write!(f, " {}/s | {catalogs} | {} |", bytes(self.rest as usize), bytes(held))
    }
}

fn bytes(count: usize) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.0} KiB", count as f64 / 1024.0),
        _ => format!("{:.0} MiB", count as f64 / f64::from(1 << 20)),
    }
}
