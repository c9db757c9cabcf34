//! The open loop: requests are due at fixed times whatever became of those before, and a latency counts from the time that
//! its request was due. So a stall shows in all the requests that it delayed, and none is omitted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::future::try_join_all;
use tokio::{sync::Semaphore, time::timeout};

use super::{Client, PATIENCE, id};
use crate::stats::Latencies;

/// Sends so many requests a second, each on the client that has been idle longest.
pub(crate) async fn open_loop<C: Client>(
    clients: &mut [C],
    per_second: u32,
    time: Duration,
) -> anyhow::Result<Latencies> {
    let interval = Duration::from_secs(1) / per_second;
    let total = u32::try_from(time.as_nanos() / interval.as_nanos().max(1)).context("too many requests")?;
    let (due, next) = (Arc::new(Semaphore::new(0)), AtomicU64::new(0));
    let start = Instant::now();
    let clock = Clock { interval, start, total, clients: clients.len() };
    thread::Builder::new().name("clock".into()).spawn({
        let due = Arc::clone(&due);
        move || clock.tick(&due)
    })?;
    let loops = clients.iter_mut().map(async |client| {
        let mut latencies = Latencies::default();
        loop {
            due.acquire().await?.forget();
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= u64::from(total) {
                return anyhow::Ok(latencies);
            }
            let at = start + interval.saturating_mul(u32::try_from(number)?);
            client.exchange(&id(number)).await?;
            latencies.record(at.elapsed());
        }
    });
    let all = timeout(time + PATIENCE, try_join_all(loops)).await.context("requests took too long")?;
    let mut latencies = Latencies::default();
    all?.into_iter().for_each(|some| latencies.merge(some));
    Ok(latencies)
}

/// tokio's timer has a resolution of a millisecond; that of a sleeping thread is some microseconds.
struct Clock {
    interval: Duration,
    start: Instant,
    total: u32,
    clients: usize,
}

impl Clock {
    /// Adds a permit for every request when it is due, and at the end one for each client, which ends it.
    fn tick(&self, due: &Semaphore) {
        // Otherwise the kernel may wake the thread 50 µs late. Where it refuses, that is in every peer's figures alike.
        let _ = nix::sys::prctl::set_timerslack(1);
        for number in 0..self.total {
            let at = self.start + self.interval.saturating_mul(number);
            thread::sleep(at.saturating_duration_since(Instant::now()));
            due.add_permits(1);
        }
        due.add_permits(self.clients);
    }
}
