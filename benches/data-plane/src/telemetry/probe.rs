//! One run: two sidecars under load, scraped, with a collector.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};

use super::{Figures, Mode, collector::Collector};
use crate::{
    case::Case,
    layout::{Layout, Programs},
    load::{self, Http1, closed_loop},
    measure,
    peer::Peer,
    process::{self, Process},
};

/// The way through two sidecars that is measured.
const CASE: Case = Case::TwoHopMtlsH1;
/// Requests under way.
const IN_FLIGHT: usize = 64;
/// How often both sidecars are scraped, where they count: fifteen times as often as is usual.
const SCRAPE: Duration = Duration::from_secs(1);

/// Makes one run of a mode. Any failed request fails it.
pub(super) fn measure(programs: &Programs, mode: Mode, time: Duration) -> anyhow::Result<Figures> {
    let mut layout = Layout::start(programs, CASE, Peer::Isthmus, &mode.flags())?;
    let collector = Collector::start(&layout.caller)?;
    let probe = Probe {
        target: layout.target,
        admins: layout.admins.clone(),
        pids: layout.proxies.iter().map(Process::pid).collect(),
        mode,
        time,
    };
    let (figures, answered) = layout
        .caller
        .spawn("load", move || probe.run())?
        .join()
        .with_context(|| format!("{}\n{}", mode.name(), layout.said()))?;
    layout.check()?;
    let lines: usize = layout.proxies.iter().map(Process::lines).sum();
    // What wasn't done costs nothing, and would be measured as such.
    ensure!(!mode.logs() || lines as u64 > answered, "{lines} lines were logged of {answered} requests");
    ensure!(mode.logs() || (lines as u64) < answered / 10, "{lines} lines were logged without a log");
    ensure!(mode.traces() == (collector.bytes() > 0), "the collector has received {} bytes", collector.bytes());
    Ok(figures)
}

/// The load's side of a run.
struct Probe {
    target: SocketAddr,
    admins: Vec<SocketAddr>,
    pids: Vec<u32>,
    mode: Mode,
    time: Duration,
}

impl Probe {
    async fn run(self) -> anyhow::Result<(Figures, u64)> {
        for admin in &self.admins {
            measure::ready(*admin).await?;
        }
        measure::answers::<Http1>(self.target).await?;
        let mut clients = load::connect::<Http1>(self.target, IN_FLIGHT, 1).await?;
        closed_loop(&mut clients, self.time / 4).await.context("warm-up")?;
        let before = self.cpu()?;
        let load = closed_loop(&mut clients, self.time);
        let answered = tokio::select! {
            answered = load => answered.context("saturation")?.0,
            error = self.scrape() => return Err(error),
        };
        let spent = self.cpu()?.saturating_sub(before);
        let cpu = spent.as_secs_f64() * 1e6 / answered as f64;
        let rss = self.pids.iter().map(|pid| Ok(process::usage(*pid)?.rss_mib)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok((Figures { cpu, rss_mib: rss.into_iter().fold(0.0, f64::max) }, answered))
    }

    /// Goes on until it fails.
    async fn scrape(&self) -> anyhow::Error {
        loop {
            tokio::time::sleep(SCRAPE).await;
            for admin in self.admins.iter().filter(|_| self.mode != Mode::Off) {
                match measure::get(*admin, "/metrics").await {
                    Ok(text) if text.contains("isthmus_outbound_requests_total{") => {}
                    Ok(text) if text.contains("isthmus_inbound_requests_total{") => {}
                    Ok(_) => return anyhow::anyhow!("no edge among the metrics of {admin}"),
                    Err(error) => return error.context("a scrape"),
                }
            }
        }
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        self.pids.iter().map(|pid| Ok(process::usage(*pid)?.cpu)).sum()
    }
}
