//! Two sidecars of one mode, which stand as long as the benchmark, and slices of load on them.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use tokio::sync::{mpsc, oneshot};

use super::{Figures, Mode, collector::Collector};
use crate::{
    case::Case,
    layout::{Layout, Programs},
    load::{self, Http1, closed_loop},
    measure,
    namespace::Thread,
    peer::Peer,
    process::{self, Process},
};

/// The way through two sidecars that is measured.
const CASE: Case = Case::TwoHopMtlsH1;
/// Requests under way.
const IN_FLIGHT: usize = 32;
/// How often both sidecars are scraped, where they count: thirty times as often as is usual.
const SCRAPE: Duration = Duration::from_millis(500);
/// What a slice leaves behind is done by then, and counts as its own: a batch of spans goes out a second after its first.
const SETTLE: Duration = Duration::from_millis(1200);

/// A slice of load that is under way.
#[must_use]
pub(super) struct Slice(oneshot::Receiver<anyhow::Result<(Figures, u64)>>);

/// An order for a slice of load, and where its figures go.
type Order = (Duration, oneshot::Sender<anyhow::Result<(Figures, u64)>>);

/// Two sidecars of a mode, with a client that is connected to them.
pub(super) struct Pair {
    mode: Mode,
    orders: mpsc::Sender<Order>,
    layout: Layout,
    collector: Collector,
    client: Thread<()>,
}

impl Pair {
    /// Starts the sidecars, and connects.
    pub(super) fn start(programs: &Programs, mode: Mode) -> anyhow::Result<Self> {
        let layout = Layout::start(programs, CASE, Peer::Isthmus, &mode.flags())?;
        let collector = Collector::start(&layout.caller)?;
        let probe = Probe {
            target: layout.target,
            admins: layout.admins.clone(),
            pids: layout.proxies.iter().map(Process::pid).collect(),
            mode,
        };
        let (orders, queue) = mpsc::channel(1);
        let client = layout.caller.spawn("load", move || probe.run(queue))?;
        Ok(Self { mode, orders, layout, collector, client })
    }

    /// Its processes.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.layout.proxies.iter().map(Process::pid)
    }

    /// Begins to load them for a time.
    pub(super) fn begin(&self, time: Duration) -> anyhow::Result<Slice> {
        let (answer, figures) = oneshot::channel();
        self.orders.blocking_send((time, answer)).ok().context("the client has ended")?;
        Ok(Slice(figures))
    }

    /// Waits for the end of a slice. Any failed request fails it.
    pub(super) fn end(&mut self, slice: Slice) -> anyhow::Result<Figures> {
        let figures = slice.0.blocking_recv().context("the client has ended").flatten();
        let (figures, answered) = figures.with_context(|| format!("{}\n{}", self.mode.name(), self.layout.said()))?;
        self.layout.check()?;
        self.has_told(answered)?;
        Ok(figures)
    }

    /// What wasn't done costs nothing, and would be measured as such.
    fn has_told(&self, answered: u64) -> anyhow::Result<()> {
        let Self { mode, layout, collector, .. } = self;
        let lines = layout.proxies.iter().map(Process::take_lines).sum::<anyhow::Result<usize>>()? as u64;
        ensure!(!mode.logs() || lines >= 2 * answered, "{lines} lines were logged of {answered} requests");
        ensure!(mode.logs() || lines < answered / 10, "{lines} lines were logged without a log");
        let bytes = collector.take_bytes();
        ensure!(mode.traces() == (bytes > 0), "the collector has received {bytes} bytes in a slice");
        Ok(())
    }

    /// Ends the client, then the sidecars.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        drop(self.orders);
        self.client.join()
    }
}

/// The load's side of a pair.
struct Probe {
    target: SocketAddr,
    admins: Vec<SocketAddr>,
    pids: Vec<u32>,
    mode: Mode,
}

impl Probe {
    async fn run(self, mut orders: mpsc::Receiver<Order>) -> anyhow::Result<()> {
        let mut clients = match self.connected().await {
            Ok(clients) => clients,
            Err(error) => {
                if let Some((_, answer)) = orders.recv().await {
                    let _ = answer.send(Err(error));
                }
                return Ok(());
            }
        };
        while let Some((time, answer)) = orders.recv().await {
            let _ = answer.send(self.slice(&mut clients, time).await);
        }
        Ok(())
    }

    async fn connected(&self) -> anyhow::Result<Vec<Http1>> {
        for admin in &self.admins {
            measure::ready(*admin).await?;
        }
        measure::answers::<Http1>(self.target).await?;
        load::connect::<Http1>(self.target, IN_FLIGHT, 1).await
    }

    async fn slice(&self, clients: &mut [Http1], time: Duration) -> anyhow::Result<(Figures, u64)> {
        let before = self.cpu()?;
        let load = closed_loop(clients, time);
        let answered = tokio::select! {
            answered = load => answered.context("saturation")?.0,
            error = self.scrape() => return Err(error),
        };
        tokio::time::sleep(SETTLE).await;
        let spent = self.cpu()?.saturating_sub(before);
        ensure!(!spent.is_zero(), "the kernel tells no times of threads (/proc/<pid>/task/*/schedstat)");
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
        self.pids.iter().map(|pid| process::ran(*pid)).sum()
    }
}
