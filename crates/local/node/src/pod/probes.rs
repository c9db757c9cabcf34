//! A running container's probes.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Probe};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::shared::PodShared;
use crate::probe::{Schedule, Verdicts, ask};

/// A container that has just started is asked this often at first, so that nobody waits a whole period for one that is up at once.
const EAGER: Duration = Duration::from_millis(50);
/// What fails so soon after the start isn't worth an Event: programs need a moment before they listen.
const QUIET: Duration = Duration::from_secs(2);

/// The pause before the next question to a container that isn't up yet: a fifth of its age, up to the period.
fn eager(age: Duration, period: Duration) -> Duration {
    (age / 5).max(EAGER).min(period)
}

/// Probes until it is dropped. A container that has to be restarted is told of in the channel.
pub(super) async fn watch(shared: Arc<PodShared>, container: Container, restart: mpsc::Sender<String>) {
    let began = Instant::now();
    if let Some(probe) = &container.startup_probe {
        let mut started = Verdicts::new(Schedule::of(probe), false);
        if !until_started(&shared, &container, probe, &mut started, &restart, began).await {
            return;
        }
        let ready = container.readiness_probe.is_none();
        shared.update(&container.name, |state| (state.started, state.ready) = (true, ready));
    }
    tokio::join!(
        async {
            if let Some(probe) = &container.readiness_probe {
                readiness(&shared, &container, probe, began).await;
            }
        },
        async {
            if let Some(probe) = &container.liveness_probe {
                liveness(&shared, &container, probe, &restart, began).await;
            }
        }
    );
}

async fn until_started(
    shared: &PodShared,
    container: &Container,
    probe: &Probe,
    verdicts: &mut Verdicts,
    restart: &mpsc::Sender<String>,
    began: Instant,
) -> bool {
    let schedule = Schedule::of(probe);
    let mut due = began + schedule.initial_delay;
    sleep_until(due).await;
    loop {
        let up = question(shared, container, probe, "Startup", began).await;
        // Between two periods a failure doesn't count: the threshold means periods.
        let counts = up || Instant::now() >= due;
        if counts && !up {
            due = Instant::now() + schedule.period;
        }
        match counts.then(|| verdicts.take(up)).flatten() {
            Some(true) => return true,
            Some(false) => {
                let _container_has_ended = restart.send("failed startup probe".into()).await;
                return false;
            }
            None => sleep(eager(began.elapsed(), schedule.period)).await,
        }
    }
}

async fn readiness(shared: &PodShared, container: &Container, probe: &Probe, began: Instant) {
    let schedule = Schedule::of(probe);
    let mut verdicts = Verdicts::new(schedule, false);
    let mut ready = false;
    sleep_until(began + schedule.initial_delay).await;
    loop {
        if let Some(verdict) = verdicts.take(question(shared, container, probe, "Readiness", began).await) {
            ready = verdict;
            shared.update(&container.name, |state| state.ready = verdict);
        }
        sleep(if ready { schedule.period } else { eager(began.elapsed(), schedule.period) }).await;
    }
}

async fn liveness(
    shared: &PodShared,
    container: &Container,
    probe: &Probe,
    restart: &mpsc::Sender<String>,
    began: Instant,
) {
    let schedule = Schedule::of(probe);
    let mut verdicts = Verdicts::new(schedule, true);
    sleep_until(began + schedule.initial_delay).await;
    loop {
        if verdicts.take(question(shared, container, probe, "Liveness", began).await) == Some(false) {
            let _container_has_ended = restart.send("failed liveness probe".into()).await;
            return;
        }
        sleep(schedule.period).await;
    }
}

async fn question(shared: &PodShared, container: &Container, probe: &Probe, kind: &str, began: Instant) -> bool {
    match answer(shared, container, probe).await {
        Ok(()) => true,
        Err(_) if kind != "Liveness" && began.elapsed() < QUIET => false,
        Err(why) => {
            shared.event(Some(&container.name), true, "Unhealthy", format!("{kind} probe failed: {why}"));
            false
        }
    }
}

async fn answer(shared: &PodShared, container: &Container, probe: &Probe) -> Result<(), String> {
    let limit = Schedule::of(probe).timeout;
    let Some(ip) = shared.state.borrow().ip else {
        return Err("the pod has no address".into());
    };
    if let Some(exec) = &probe.exec {
        let argv = exec.command.clone().unwrap_or_default();
        return match shared.exec_capture(&container.name, argv, limit).await {
            Ok((0, _)) => Ok(()),
            Ok((_, output)) => Err(output),
            Err(error) => Err(error.to_string()),
        };
    }
    if let Some(get) = &probe.http_get {
        return ask::http(&shared.context.router, ip.into(), container, get, limit).await;
    }
    if let Some(tcp) = &probe.tcp_socket {
        let host = match &tcp.host {
            Some(host) => host.parse().map_err(|_| format!("host {host:?} is not an address"))?,
            None => ip.into(),
        };
        let address = std::net::SocketAddr::new(host, ask::port(container, &tcp.port)?);
        return ask::tcp(&shared.context.router, address, limit).await;
    }
    Err("only httpGet, tcpSocket and exec probes exist here".into())
}
