//! The thread that sends what workers have put into the queue.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use isthmus_api::otlp::v1::{ExportTraceServiceRequest, InstrumentationScope, Resource, ResourceSpans, ScopeSpans};
use isthmus_runtime::backoff::{Backoff, jitter};
use tokio::{
    runtime::Builder,
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Metrics, Settings,
    attributes::{self, SCHEMA},
    collector::Sender,
    connect::BadRoots,
    outcome::Outcome,
    span::Finished,
};
use crate::limits::{TRACE_BATCH, TRACE_FLUSH_TIME, TRACE_PERIOD, TRACE_QUEUE, TRACE_RETRY_TIME};

/// Pauses between tries, as the specification of OTLP asks for: growing, and never all at once.
const RETRY: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(16) };

/// Where workers put spans. Full, it drops what is new.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Finished>,
    /// There is a batch in it.
    full: Arc<Notify>,
    metrics: Metrics,
}

impl Queue {
    pub(super) fn put(&self, span: Finished) {
        if self.sender.try_send(span).is_err() {
            return self.metrics.dropped_queue.inc();
        }
        if TRACE_QUEUE - self.sender.capacity() >= TRACE_BATCH {
            self.full.notify_one();
        }
    }
}

/// The thread, as long as it runs.
pub(crate) struct Exporting {
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Exporting {
    /// Sends what is left, as far as that can be done in [`TRACE_FLUSH_TIME`].
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        let _ = timeout(TRACE_FLUSH_TIME + Duration::from_millis(100), self.ended).await;
    }
}

/// Why spans can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum BadExport {
    /// The collector's certificate couldn't be judged.
    #[error(transparent)]
    Roots(#[from] BadRoots),
    /// There is no thread to be had.
    #[error("starting the thread that exports traces: {0}")]
    Thread(#[from] io::Error),
}

/// Starts the thread. `resource` says whose spans they are, each time anew: a pod learns it with its certificate.
pub(crate) fn start(
    settings: &Settings,
    mark: Option<u32>,
    metrics: Metrics,
    resource: impl Fn() -> Resource + Send + 'static,
) -> Result<(Queue, Exporting), BadExport> {
    let (sender, spans) = mpsc::channel(TRACE_QUEUE);
    let full = Arc::<Notify>::default();
    let (end, ended) = oneshot::channel();
    let stop = CancellationToken::new();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let to = {
        let _within = runtime.enter();
        Sender::new(settings, mark)?
    };
    let export =
        Export { spans, full: Arc::clone(&full), to, metrics: metrics.clone(), stop: stop.clone(), lost: false };
    let body = move || {
        runtime.block_on(export.run(resource));
        let _ = end.send(());
    };
    thread::Builder::new().name("traces".into()).spawn(body)?;
    Ok((Queue { sender, full, metrics }, Exporting { stop, ended }))
}

struct Export {
    spans: mpsc::Receiver<Finished>,
    full: Arc<Notify>,
    to: Sender,
    metrics: Metrics,
    stop: CancellationToken,
    /// The collector can't be reached: it was said once.
    lost: bool,
}

impl Export {
    /// Until the queue is empty after a stop, or the time for that is over.
    async fn run(mut self, resource: impl Fn() -> Resource) {
        let stop = self.stop.clone();
        let over = async {
            stop.cancelled().await;
            tokio::time::sleep(TRACE_FLUSH_TIME).await;
        };
        tokio::select! {
            () = self.export(resource) => {}
            () = over => {}
        }
    }

    async fn export(&mut self, resource: impl Fn() -> Resource) {
        loop {
            let batch = self.gather().await;
            if !batch.is_empty() {
                self.send(batch, resource()).await;
            } else if self.stop.is_cancelled() {
                return;
            }
        }
    }

    /// The next spans: as many as a batch holds, or those of one period.
    async fn gather(&mut self) -> Vec<Finished> {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            // All workers may be gone: then there is only the end to wait for.
            read = self.spans.recv_many(&mut batch, TRACE_BATCH) => if read == 0 { self.stop.cancelled().await },
            () = self.stop.cancelled() => {}
        }
        if !batch.is_empty() && batch.len() < TRACE_BATCH {
            // Nobody waits in the queue meanwhile, so that not every span wakes this thread.
            tokio::select! {
                () = tokio::time::sleep(TRACE_PERIOD) => {}
                () = self.full.notified() => {}
                () = self.stop.cancelled() => {}
            }
        }
        while batch.len() < TRACE_BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
        batch
    }

    /// Sends a batch until it is taken, refused, or the time for it is over.
    async fn send(&mut self, spans: Vec<Finished>, resource: Resource) {
        let count = spans.len() as u64;
        let batch = self.to.batch(request(spans, resource));
        let until = Instant::now() + TRACE_RETRY_TIME;
        let mut attempt = 0;
        loop {
            let (pause, why) = match self.to.send(&batch).await {
                Outcome::Taken { rejected } => {
                    let rejected = rejected.min(count);
                    self.metrics.rejected.inc_by(rejected);
                    self.metrics.exported.inc_by(count - rejected);
                    return self.found();
                }
                Outcome::Refused(why) => {
                    self.metrics.rejected.inc_by(count);
                    return tracing::warn!(spans = count, why, "the collector refuses a batch of traces");
                }
                Outcome::Later(pause, why) => (pause.unwrap_or_else(|| RETRY.delay(attempt, jitter())), why),
            };
            self.lose(&why);
            attempt += 1;
            let stopping = self.stop.is_cancelled();
            if Instant::now() + pause >= until {
                self.metrics.dropped_export.inc_by(count);
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// Says once that the collector is away.
    fn lose(&mut self, why: &str) {
        if !std::mem::replace(&mut self.lost, true) {
            tracing::warn!(
                why,
                "traces can't be sent to the collector: they are tried again, then dropped and counted"
            );
        }
    }

    fn found(&mut self) {
        if std::mem::take(&mut self.lost) {
            tracing::info!("traces reach the collector again");
        }
    }
}

fn request(spans: Vec<Finished>, resource: Resource) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope { name: "isthmus".into(), version: env!("CARGO_PKG_VERSION").into() };
    let spans = spans.into_iter().map(attributes::span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: SCHEMA.into() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, schema_url: SCHEMA.into() }];
    ExportTraceServiceRequest { resource_spans }
}

#[cfg(test)]
mod tests;
