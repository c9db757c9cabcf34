//! One worker: a thread with a runtime, listeners, pools and split states of its own.

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

use isthmus_api::control::v1::Tapped;
use isthmus_core::{
    destination::{Destination as Model, DestinationKey},
    inbound::InboundPolicy,
    telemetry::{settings::Settings, tap::Tap},
};
use isthmus_identity::MeshTls;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::state::Worker;
use crate::{
    config::Config,
    edges::Edges,
    limits::{CUT_TIME, LEAVE_TIME, QUIET_TIME, SWEEP},
    metrics::{Direction, Metrics},
    reach::Reach,
    spawn,
    trace::Queue,
};

/// What all workers share: nothing that a request writes to but counters.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    /// Who talks to whom.
    pub(crate) edges: Arc<Edges>,
    pub(crate) tls: MeshTls,
    /// Whether the controller can be asked.
    pub(crate) reach: Arc<Reach>,
    /// Destinations that a worker wants to know.
    pub(crate) lookups: mpsc::Sender<DestinationKey>,
    /// What taps have seen.
    pub(crate) tapped: mpsc::Sender<Tapped>,
    /// Where finished spans go, if there is a collector.
    pub(crate) spans: Option<Queue>,
}

/// A change that a worker is to take over.
#[derive(Debug, Clone)]
pub(crate) enum Update {
    Policy(Arc<InboundPolicy>),
    Destination(DestinationKey, Arc<Model>),
    Forget(DestinationKey),
    Telemetry(Arc<Settings>),
    Taps(Arc<[Tap]>),
    /// The trusted roots have changed.
    Trust,
}

/// What a worker is told.
pub(crate) enum Command {
    /// Take a change over, then answer how many connections it has cut.
    Apply(Update, oneshot::Sender<u32>),
    /// Say when each destination was last used.
    Usage(oneshot::Sender<Vec<(DestinationKey, Instant)>>),
}

/// A listener's socket and which way its connections go.
pub(crate) struct Door {
    pub(crate) direction: Direction,
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
    let worker = match Worker::new(index, shared, &doors) {
        Ok(worker) => Rc::new(worker),
        Err(error) => return tracing::error!(%error, "a worker can't make its TLS configuration"),
    };
    let accepting = doors.into_iter().map(|door| (door.direction, accept::accept(Rc::clone(&worker), door)));
    for (direction, accept) in accepting {
        spawn::local(async move {
            if let Err(error) = accept.await {
                tracing::error!(direction = direction.as_str(), %error, "a listener failed");
            }
        });
    }
    let following = follow(Rc::clone(&worker), commands);
    let draining = async {
        shutdown.cancelled().await;
        if tokio::time::timeout(worker.config.drain, drain(&worker)).await.is_err() {
            tracing::warn!(after = ?worker.config.drain, "connections are cut at the end of the drain time");
            // By their own tasks: a relay that is merely dropped would close in order, and half a file would look like all of it.
            worker.registry.cut();
            let _ = tokio::time::timeout(CUT_TIME, worker.registry.quiet(Duration::ZERO)).await;
        }
    };
    tokio::select! {
        () = following => {}
        () = draining => {}
    }
}

/// Ends in two steps. Callers hear of this pod's end by themselves and leave; those that don't are asked to. New connections are served all
/// the while, because the application may still be there.
async fn drain(worker: &Worker) {
    worker.registry.leave();
    if tokio::time::timeout(LEAVE_TIME, worker.registry.quiet(QUIET_TIME)).await.is_err() {
        worker.registry.drain();
        worker.registry.quiet(QUIET_TIME).await;
    }
}

/// Takes changes over, and sweeps now and then.
async fn follow(worker: Rc<Worker>, mut commands: mpsc::Receiver<Command>) {
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Apply(update, done)) => {
                    let _ = done.send(worker.apply(update));
                }
                Some(Command::Usage(answer)) => {
                    let _ = answer.send(worker.usage());
                }
                None => std::future::pending().await,
            },
            _ = sweep.tick() => worker.sweep(),
        }
    }
}
