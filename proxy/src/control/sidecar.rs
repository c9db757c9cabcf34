//! What the sidecar wants of the controller: the roots, its policy, and what its workers call.

use std::{sync::Arc, time::Instant};

use isthmus_api::{
    control::v1::{ControllerMessage, Subscribe, Tapped, Unsubscribe, proxy_message::Message},
    encode,
};
use isthmus_core::destination::DestinationKey;
use isthmus_identity::Bundle;
use isthmus_runtime::readiness;
use prometheus::IntGauge;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Interval, MissedTickBehavior},
};

use super::{Subscriber, Verdict, subscriptions::Change, view::View};
use crate::{
    edges::{Edges, report},
    limits::{DESTINATION_IDLE, REPORT_EVERY, SWEEP},
    worker::{Command, Update},
};

/// The sidecar's subscriptions, and the workers that use them.
pub(crate) struct Sidecar {
    workers: Vec<mpsc::Sender<Command>>,
    heard: Heard,
    /// Until the policy has come.
    policy: Option<readiness::Pending>,
    state: View,
    known: IntGauge,
    sweep: Interval,
    edges: Arc<Edges>,
    report: Interval,
    /// When the controller was told last what was counted.
    told: Instant,
    /// Connections that were cut since that was told last.
    cut: u32,
}

/// What the workers have to say.
pub(crate) struct Heard {
    /// Destinations that they want to know.
    pub(crate) wanted: mpsc::Receiver<DestinationKey>,
    /// What taps have seen.
    pub(crate) seen: mpsc::Receiver<Tapped>,
}

/// What the sidecar does of its own accord.
#[derive(Debug)]
pub(crate) enum Wish {
    /// A worker wants to know a destination.
    Destination(DestinationKey),
    /// It is time to look for what nobody uses.
    Sweep,
    /// It is time to tell what was counted.
    Report,
    /// A tap has seen something.
    Tapped(Tapped),
}

impl Sidecar {
    pub(crate) fn new(
        workers: Vec<mpsc::Sender<Command>>,
        heard: Heard,
        policy: readiness::Pending,
        state: View,
        known: IntGauge,
        edges: Arc<Edges>,
    ) -> Self {
        let (sweep, mut report) = (tokio::time::interval(SWEEP), tokio::time::interval(REPORT_EVERY));
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let told = Instant::now();
        Self { workers, heard, policy: Some(policy), state, known, sweep, edges, report, told, cut: 0 }
    }

    fn count(&self) {
        let known = self.state.with(|s| s.len());
        self.known.set(i64::try_from(known).unwrap_or(i64::MAX));
    }

    /// Has every worker take a change over; how many connections that has cut.
    async fn everywhere(&self, update: Update) -> u32 {
        let mut answers = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, answer) = oneshot::channel();
            // A worker that is gone has nothing to apply; its end stops the process.
            if worker.send(Command::Apply(update.clone(), done)).await.is_ok() {
                answers.push(answer);
            }
        }
        let cut = futures::future::join_all(answers).await;
        cut.into_iter().flatten().fold(0, u32::saturating_add)
    }

    async fn want(&self, key: DestinationKey) -> Vec<Message> {
        let subscribe = self.state.with(|s| s.want(&key, Instant::now()));
        if subscribe.is_none()
            && let Some(held) = self.state.with(|s| s.held(&key))
        {
            // Another worker, or this one before, has asked already.
            self.everywhere(Update::Destination(key, held)).await;
        }
        self.count();
        subscribe.map(Message::Subscribe).into_iter().collect()
    }

    /// What was counted since the controller was told last.
    fn report(&mut self) -> Vec<Message> {
        let now = Instant::now();
        let news = report::news(&self.edges.all(), now.saturating_duration_since(self.told));
        self.told = now;
        news.into_iter().map(Message::Traffic).collect()
    }

    /// Gives up the destinations that nobody has used for long.
    async fn give_up(&self) -> Vec<Message> {
        for worker in &self.workers {
            let (answer, usage) = oneshot::channel();
            if worker.send(Command::Usage(answer)).await.is_ok() {
                for (key, at) in usage.await.unwrap_or_default() {
                    self.state.with(|s| s.used(&key, at));
                }
            }
        }
        let mut messages = Vec::new();
        let since = Instant::now().checked_sub(DESTINATION_IDLE);
        for key in since.map(|since| self.state.with(|s| s.forget(since))).unwrap_or_default() {
            let resource = encode::destination_key(&key);
            self.everywhere(Update::Forget(key)).await;
            messages.push(Message::Unsubscribe(Unsubscribe { key: Some(resource) }));
        }
        self.count();
        messages
    }
}

impl Subscriber for Sidecar {
    type Change = Change;
    type Wish = Wish;

    fn all(&self) -> Vec<Subscribe> {
        self.state.with(|s| s.all())
    }

    fn extras(&self) -> Vec<Subscribe> {
        self.state.with(|s| s.extras())
    }

    fn judge(&self, message: ControllerMessage) -> Verdict<Change> {
        self.state.with(|s| s.receive(message))
    }

    fn bundles(change: &Change) -> Option<&[Bundle]> {
        match change {
            Change::Bundles(bundles) => Some(bundles),
            Change::Policy(_) | Change::Destination(..) | Change::Telemetry(_) | Change::Taps(_) => None,
        }
    }

    /// Applies a change in every worker.
    async fn apply(&mut self, change: &Change) {
        let cut = self
            .everywhere(match change {
                Change::Bundles(_) => Update::Trust,
                Change::Policy(policy) => Update::Policy(Arc::clone(policy)),
                Change::Telemetry(settings) => Update::Telemetry(Arc::clone(settings)),
                Change::Taps(taps) => Update::Taps(Arc::clone(taps)),
                Change::Destination(key, destination) => Update::Destination(key.clone(), Arc::clone(destination)),
            })
            .await;
        self.cut = self.cut.saturating_add(cut);
        if matches!(change, Change::Policy(_)) {
            self.policy = None;
        }
    }

    fn take_cut(&mut self) -> u32 {
        std::mem::take(&mut self.cut)
    }

    fn hold(&mut self, change: Change, version: String) {
        self.state.with(|s| s.hold(change, version));
    }

    async fn wish(&mut self) -> Wish {
        tokio::select! {
            Some(key) = self.heard.wanted.recv() => Wish::Destination(key),
            _ = self.sweep.tick() => Wish::Sweep,
            _ = self.report.tick() => Wish::Report,
            Some(tapped) = self.heard.seen.recv() => Wish::Tapped(tapped),
        }
    }

    fn note(&mut self, wish: Wish) {
        match wish {
            Wish::Destination(key) => drop(self.state.with(|s| s.want(&key, Instant::now()))),
            Wish::Sweep => self.edges.sweep(Instant::now()),
            // It is told all the same, later.
            Wish::Report => {}
            // Nobody can be reached who watches.
            Wish::Tapped(_) => {}
        }
    }

    async fn fulfil(&mut self, wish: Wish) -> Vec<Message> {
        match wish {
            Wish::Destination(key) => self.want(key).await,
            Wish::Sweep => {
                self.edges.sweep(Instant::now());
                self.give_up().await
            }
            Wish::Report => self.report(),
            Wish::Tapped(tapped) => vec![Message::Tapped(tapped)],
        }
    }
}
