//! One container through all its runs.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::launch::{self, NotStarted};
use super::shared::{PodShared, Running};
use super::state::{Ended, Kind, Phase, RestartPolicy};
use super::stop::{self, Deadline};
use super::{hooks, probes};
use crate::backoff::Backoff;
use crate::helper::NOT_STARTED;
use crate::logs::{self, Log, LogOptions};
use crate::sandbox;

/// How long a container that fails its liveness probe has to end, unless the pod says otherwise.
const DEFAULT_GRACE: i64 = 30;
/// A hook that hangs is given up after this.
const HOOK_LIMIT: Duration = Duration::from_secs(120);
/// The rest of a container's output is read for so long after its end.
const OUTPUT_LIMIT: Duration = Duration::from_secs(5);

/// Runs a container again and again, as its kind and the pod's policy say.
pub(super) struct Runner {
    pub(super) shared: Arc<PodShared>,
    pub(super) container: Container,
    pub(super) kind: Kind,
    pub(super) policy: RestartPolicy,
    pub(super) orders: Deadline,
}

/// A run that is going on.
struct Run {
    process: sandbox::Container,
    output: JoinSet<std::io::Result<()>>,
    began: Instant,
    since: Timestamp,
    id: String,
    start: i32,
}

impl Runner {
    /// Ends with the last exit code, or when ordered to.
    pub(super) async fn run(mut self) -> Option<i32> {
        let mut backoff = Backoff::new(self.shared.context.config.restart_delays);
        let mut starts = 0;
        loop {
            if self.is_ordered() {
                return None;
            }
            let delay = match self.start(starts).await {
                Err(failure) => {
                    let delay = backoff.after_failure();
                    self.not_started(failure, delay).await
                }
                Ok(run) => {
                    starts += 1;
                    let began = run.began;
                    let code = self.supervise(run).await;
                    if self.is_ordered() || !self.policy.restarts(self.kind, code) {
                        return Some(code);
                    }
                    let delay = backoff.after(began.elapsed());
                    self.back_off(delay);
                    Some(delay)
                }
            };
            let delay = delay?;
            tokio::select! {
                () = sleep(delay) => {}
                _ = self.orders.wait_for(Option::is_some) => return None,
            }
        }
    }

    fn is_ordered(&self) -> bool {
        self.orders.borrow().is_some()
    }

    fn name(&self) -> &str {
        &self.container.name
    }

    async fn start(&self, starts: i32) -> Result<Run, NotStarted> {
        let failed = |error: std::io::Error| NotStarted { reason: "CreateContainerError", message: error.to_string() };
        let launch = launch::launch(&self.shared, &self.container)?;
        let sandbox = self.shared.sandbox().map_err(failed)?;
        let limit = self.shared.context.config.log_limit;
        let log = Log::create(&self.shared.log_directory, self.name(), starts, limit).map_err(failed)?;
        self.shared.set_log(self.name(), &log);
        let (program, env) = (launch.spec.program.clone(), launch.env.clone());
        let (process, pipes) = sandbox.start(launch).await.map_err(failed)?;
        let mut output = JoinSet::new();
        if let Some(stdout) = pipes.stdout {
            output.spawn(logs::copy(Arc::clone(&log), "stdout", stdout));
        }
        if let Some(stderr) = pipes.stderr {
            output.spawn(logs::copy(log, "stderr", stderr));
        }
        let running = Running { pid: process.pid().as_raw(), program, env };
        self.shared.set_running(self.name(), Some(running));
        let id = format!("isthmus://{}-{}-{starts}", self.shared.uid, self.name());
        let since = Timestamp::now();
        let probed = self.container.startup_probe.is_some();
        let hooked = self.container.lifecycle.as_ref().is_some_and(|hooks| hooks.post_start.is_some());
        let ready = !probed && !hooked && self.container.readiness_probe.is_none();
        self.shared.update(self.name(), |state| {
            if let Phase::Ended(ended) = &state.phase {
                state.last = Some(ended.clone());
            }
            state.phase = Phase::Running { since };
            (state.started, state.ready, state.restarts) = (!probed && !hooked, ready, starts);
            state.id.clone_from(&id);
        });
        self.shared.event(Some(self.name()), false, "Started", format!("Started container {}", self.name()));
        Ok(Run { process, output, began: Instant::now(), since, id, start: starts })
    }

    /// Says in the status and an Event why there was no start. None when ordered to end meanwhile.
    async fn not_started(&mut self, failure: NotStarted, delay: Duration) -> Option<Duration> {
        let NotStarted { reason, message } = failure;
        self.shared.event(Some(self.name()), true, "Failed", message.clone());
        let waiting = |reason: &str| Phase::Waiting { reason: reason.into(), message: Some(message.clone()) };
        // A variable or file that is missing may come at any time: look again soon.
        let delay = if reason == "CreateContainerConfigError" { delay.min(Duration::from_secs(2)) } else { delay };
        let again = matches!(&self.shared.state.borrow().containers.get(self.name())?.phase,
            Phase::Waiting { reason, .. } if reason.starts_with("ErrImage") || reason.starts_with("ImagePull"));
        let reason = if again && reason == "ErrImagePull" { "ImagePullBackOff" } else { reason };
        self.shared.update(self.name(), |state| state.phase = waiting(reason));
        Some(delay)
    }

    fn back_off(&self, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        let pod = &self.shared;
        let message = format!(
            "back-off {delay:?} restarting failed container={} pod={}_{}({})",
            self.name(),
            pod.name,
            pod.namespace,
            pod.uid
        );
        pod.event(Some(self.name()), true, "BackOff", message.clone());
        pod.update(self.name(), |state| {
            if let Phase::Ended(ended) = &state.phase {
                state.last = Some(ended.clone());
            }
            state.phase = Phase::Waiting { reason: "CrashLoopBackOff".into(), message: Some(message) };
        });
    }

    /// Until the run's end, by itself or by order; its exit code.
    async fn supervise(&mut self, mut run: Run) -> i32 {
        let (restart, mut restarts) = mpsc::channel(1);
        let mut helpers = JoinSet::new();
        helpers.spawn(watch_over(Arc::clone(&self.shared), self.container.clone(), restart));
        let status = tokio::select! {
            status = run.process.wait() => status,
            Some(why) = restarts.recv() => {
                self.shared.event(Some(self.name()), false, "Killing", format!("Container {} {why}, will be restarted", self.name()));
                let spec = self.shared.object();
                let grace = spec.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(DEFAULT_GRACE);
                let deadline = Instant::now() + Duration::from_secs(u64::try_from(grace).unwrap_or(0));
                self.end(&mut run, deadline).await
            }
            _ = wait_for_order(self.orders.clone()) => {
                self.shared.event(Some(self.name()), false, "Killing", format!("Stopping container {}", self.name()));
                let deadline = self.orders.borrow().unwrap_or_else(Instant::now);
                self.end(&mut run, deadline).await
            }
        };
        helpers.abort_all();
        self.shared.set_running(self.name(), None);
        let drain = async { while run.output.join_next().await.is_some() {} };
        if tokio::time::timeout(OUTPUT_LIMIT, drain).await.is_err() {
            tracing::warn!(
                pod = self.shared.name,
                container = self.name(),
                "output goes on after the container's end; the rest is lost"
            );
        }
        let code = status.map_or(-1, stop::exit_code);
        let ended = self.ended(&run, code).await;
        self.shared.update(self.name(), |state| {
            state.phase = Phase::Ended(ended);
            (state.started, state.ready) = (false, false);
        });
        code
    }

    /// `preStop`, then the signals. Meanwhile the program is as ready as its probe says: what still serves is said to.
    async fn end(&mut self, run: &mut Run, deadline: Instant) -> std::io::Result<std::process::ExitStatus> {
        let hook = self.container.lifecycle.as_ref().and_then(|hooks| hooks.pre_stop.clone());
        if let Some(hook) = hook {
            let limit = deadline.saturating_duration_since(Instant::now());
            tokio::select! {
                result = hooks::run(&self.shared, &self.container, &hook, limit) => {
                    if let Err(why) = result {
                        self.shared.event(Some(self.name()), true, "FailedPreStopHook", format!("PreStopHook failed: {why}"));
                    }
                }
                status = run.process.wait() => return status,
            }
        }
        // A hook may use up all the time; the program still gets a moment to hear of its end.
        let deadline = deadline
            .max(Instant::now() + if deadline <= Instant::now() { Duration::ZERO } else { Duration::from_millis(100) });
        stop::end(&mut run.process, deadline, &mut self.orders).await
    }

    async fn ended(&self, run: &Run, code: i32) -> Ended {
        let unreached = code == i32::from(NOT_STARTED);
        let reason = match code {
            0 => "Completed",
            _ if unreached => "StartError",
            _ => "Error",
        };
        let message = if (126..=128).contains(&code) { self.last_words(run.start).await } else { None };
        Ended {
            exit_code: code,
            reason: reason.into(),
            message,
            started: Some(run.since),
            finished: Timestamp::now(),
            id: run.id.clone(),
        }
    }

    /// What the helper said, when it couldn't start the program.
    async fn last_words(&self, start: i32) -> Option<String> {
        let (out, mut text) = mpsc::channel(1);
        let path = logs::file(&self.shared.log_directory, self.name(), start);
        let options = LogOptions { tail_lines: Some(1), ..LogOptions::default() };
        logs::read(&path, &options, None, out).await.ok()?;
        let line = text.recv().await?.ok()?;
        Some(String::from_utf8_lossy(&line).trim().strip_prefix("isthmus: ")?.to_owned())
    }
}

async fn wait_for_order(mut orders: Deadline) {
    if orders.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// `postStart` first; probes begin when it is done.
async fn watch_over(shared: Arc<PodShared>, container: Container, restart: mpsc::Sender<String>) {
    if let Some(hook) = container.lifecycle.as_ref().and_then(|hooks| hooks.post_start.clone()) {
        if let Err(why) = hooks::run(&shared, &container, &hook, HOOK_LIMIT).await {
            shared.event(Some(&container.name), true, "FailedPostStartHook", format!("PostStartHook failed: {why}"));
            let _container_has_ended = restart.send("failed its PostStartHook".into()).await;
            return;
        }
        let (started, ready) = (container.startup_probe.is_none(), container.readiness_probe.is_none());
        shared.update(&container.name, |state| (state.started, state.ready) = (started, started && ready));
    }
    probes::watch(shared, container, restart.clone()).await;
    // Nothing more to watch; the channel stays open as long as the container runs.
    restart.closed().await;
}
