//! One worker: a thread with a runtime, listeners and connections of its own.

mod accept;
mod state;

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use isthmus_core::gateway::Routes;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::state::Worker;
use crate::{
    config::Config,
    limits::{CUT_TIME, DIAL_TIME, SWEEP},
    metrics::Metrics,
    passing::Passing,
};

/// A timer that is always nearer than a new connection's. tokio makes a system call for each timer that is nearer than all it knows.
const PULSE: Duration = DIAL_TIME.checked_div(2).expect("not divided by 0");

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) passing: Passing,
}

/// New routes, and where to say that they are in use, and how many connections they have cut.
pub(crate) type Command = (Arc<Routes>, oneshot::Sender<u32>);

/// A listener's socket.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) socket: std::net::TcpListener,
    pub(crate) addr: SocketAddr,
}

/// Starts a worker's thread. It ends once `shutdown` was asked for and its connections are closed, or the drain time is over.
pub(crate) fn start(
    index: usize,
    shared: Arc<Shared>,
    doors: Vec<Door>,
    commands: mpsc::Receiver<Command>,
    shutdown: CancellationToken,
) -> io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let body = move || {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "a worker can't start its runtime"),
        };
        runtime.block_on(run(index, shared, doors, commands, shutdown));
        drop(runtime);
        let _ = ended.send(());
    };
    thread::Builder::new().name(format!("worker-{index}")).spawn(body)?;
    Ok(end)
}

async fn run(
    index: usize,
    shared: Arc<Shared>,
    doors: Vec<Door>,
    commands: mpsc::Receiver<Command>,
    shutdown: CancellationToken,
) {
    let worker = Rc::new(Worker::new(index, shared));
    let closing = CancellationToken::new();
    for door in doors {
        let (worker, closing, addr) = (Rc::clone(&worker), closing.clone(), door.addr);
        drop(tokio::task::spawn_local(async move {
            if let Err(error) = accept::accept(&worker, door, closing).await {
                tracing::error!(%addr, %error, "a listener failed");
            }
        }));
    }
    tokio::select! {
        () = follow(&worker, commands) => {}
        () = async { shutdown.cancelled().await; drain(&worker, &closing).await } => {}
    }
}

/// Ends in steps: callers hear of the gateway's end and go elsewhere; then no more connections are taken; what is open may end by
/// itself; the rest is reset.
async fn drain(worker: &Worker, closing: &CancellationToken) {
    let bounds = worker.config.bounds;
    let ended = async {
        tokio::time::sleep(bounds.leave).await;
        closing.cancel();
        worker.registry.empty().await;
    };
    if tokio::time::timeout(bounds.drain.max(bounds.leave), ended).await.is_err() {
        closing.cancel();
        tracing::warn!(after = ?bounds.drain, "connections are cut at the end of the drain time");
        worker.registry.end();
        let _ = tokio::time::timeout(CUT_TIME, worker.registry.empty()).await;
    }
}

/// Takes routes over, and sweeps now and then.
async fn follow(worker: &Worker, mut commands: mpsc::Receiver<Command>) {
    let mut sweep = tokio::time::interval(SWEEP.min(worker.config.bounds.idle / 4).max(CUT_TIME));
    let mut pulse = tokio::time::interval(PULSE);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some((routes, done)) => {
                    let _ = done.send(worker.apply(routes));
                }
                None => std::future::pending().await,
            },
            _ = pulse.tick() => {}
            _ = sweep.tick() => worker.sweep(Instant::now()),
        }
    }
}
