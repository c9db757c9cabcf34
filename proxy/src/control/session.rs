//! The session with the controller: kept up, and everything received applied before it is acknowledged.

use std::{future::Future, pin::pin, sync::Arc, time::Instant};

use isthmus_api::{
    MAX_MESSAGE_BYTES, MAX_PROXY_MESSAGE_BYTES, MAX_REASON_CHARS,
    control::v1::{
        Ack, Certified, ControllerMessage, Hello, ProxyMessage, Refuse, ResourceKey, Subscribe, Unsubscribe,
        control_client::ControlClient, proxy_message::Message,
    },
    encode,
};
use isthmus_core::destination::DestinationKey;
use isthmus_runtime::{
    backoff::{Backoff, jitter},
    build, readiness,
};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{
    certify::chain,
    connect,
    leaf::Leaf,
    saved,
    subscriptions::{Change, Verdict},
    view::View,
};
use crate::{
    limits::{DESTINATION_IDLE, RECONNECT_FIRST, RECONNECT_LONGEST, SWEEP},
    worker::{Command, Shared, Update},
};

/// Most messages that wait to be sent to the controller.
const QUEUE: usize = 256;

pub(super) struct Client<'l> {
    shared: Arc<Shared>,
    workers: Vec<mpsc::Sender<Command>>,
    wanted: mpsc::Receiver<DestinationKey>,
    policy_pending: Option<readiness::Pending>,
    state: View,
    leaf: &'l Leaf,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("the controller can't be reached: {}", chain(.0))]
    Unreachable(#[from] tonic::transport::Error),
    #[error("the controller ended the session: {0}")]
    Status(#[from] tonic::Status),
    #[error("the controller closed the session")]
    Closed,
}

impl<'l> Client<'l> {
    pub(super) fn new(
        shared: Arc<Shared>,
        workers: Vec<mpsc::Sender<Command>>,
        wanted: mpsc::Receiver<DestinationKey>,
        policy_pending: readiness::Pending,
        state: View,
        leaf: &'l Leaf,
    ) -> Self {
        Self { shared, workers, wanted, policy_pending: Some(policy_pending), state, leaf }
    }

    /// Holds a session from the first certificate on, for ever.
    pub(super) async fn keep(mut self) {
        let mut own = self.leaf.own();
        // The sender lives as long as this.
        let _ = self.meanwhile(own.wait_for(|own| own.certified)).await;
        let backoff = Backoff { base: RECONNECT_FIRST, max: RECONNECT_LONGEST };
        let mut attempt = 0;
        loop {
            let began = Instant::now();
            if let Err(error) = self.session().await {
                tracing::warn!(%error, "no session with the controller: running on what is known");
            }
            self.shared.reach.lost();
            self.shared.metrics.control_connected.set(0);
            // A session that held for a while was a good one: begin anew with short waits.
            attempt = if began.elapsed() > RECONNECT_LONGEST { 0 } else { attempt + 1 };
            self.meanwhile(tokio::time::sleep(backoff.delay(attempt, jitter()))).await;
        }
    }

    /// Waits for something while wishes of the workers are taken down.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        loop {
            tokio::select! {
                done = &mut awaited => return done,
                Some(key) = self.wanted.recv() => {
                    self.state.with(|s| s.want(&key, Instant::now()));
                }
            }
        }
    }

    async fn session(&mut self) -> Result<(), SessionError> {
        let shared = Arc::clone(&self.shared);
        let channel = self.meanwhile(connect::channel(&shared)).await?;
        let (to_controller, queue) = mpsc::channel(QUEUE);
        let config = &shared.config;
        let hello = Hello {
            namespace: config.namespace.clone(),
            pod: config.pod.clone(),
            proxy_version: build::VERSION.into(),
        };
        send(&to_controller, Message::Hello(hello)).await?;
        let mut client = ControlClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_PROXY_MESSAGE_BYTES);
        let opening = async move { client.session(ReceiverStream::new(queue)).await };
        let from_controller = self.meanwhile(opening).await?.into_inner();
        tracing::info!("session with the controller is up");
        shared.reach.gained();
        self.leaf.reached();
        shared.metrics.control_connected.set(1);
        self.converse(to_controller, from_controller).await
    }

    async fn converse(
        &mut self,
        to_controller: mpsc::Sender<ProxyMessage>,
        mut from_controller: Streaming<ControllerMessage>,
    ) -> Result<(), SessionError> {
        for subscribe in self.state.with(|s| s.all()) {
            send(&to_controller, Message::Subscribe(subscribe)).await?;
        }
        let mut own = self.leaf.own();
        own.mark_changed();
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                message = from_controller.message() => {
                    let message = message?.ok_or(SessionError::Closed)?;
                    self.receive(message, &to_controller).await?;
                }
                Some(key) = self.wanted.recv() => {
                    if let Some(subscribe) = self.state.with(|s| s.want(&key, Instant::now())) {
                        send(&to_controller, Message::Subscribe(subscribe)).await?;
                    } else if let Some(held) = self.state.with(|s| s.held(&key)) {
                        // Another worker, or this one before, has asked already.
                        self.everywhere(Update::Destination(key, held)).await;
                    }
                    self.count();
                }
                Ok(()) = own.changed() => {
                    let root = own.borrow_and_update().root();
                    if let Some(root) = root {
                        let root = root.as_bytes().to_vec().into();
                        send(&to_controller, Message::Certified(Certified { root })).await?;
                    }
                }
                _ = sweep.tick() => self.sweep(&to_controller).await?,
            }
        }
    }

    async fn receive(
        &mut self,
        message: ControllerMessage,
        to_controller: &mpsc::Sender<ProxyMessage>,
    ) -> Result<(), SessionError> {
        let Some(key) = message.key.clone() else { return Ok(()) };
        let version = message.version.clone();
        let verdict = self.state.with(|s| s.receive(message));
        let verdict = match verdict {
            Verdict::Apply(change) => self.apply(change, &version).await,
            other => other,
        };
        let counter = &self.shared.metrics.control_updates;
        match verdict {
            Verdict::Apply(_) | Verdict::Held => {
                counter.with_label_values(&["applied"]).inc();
                send(to_controller, Message::Ack(Ack { key: Some(key), version })).await
            }
            Verdict::Refuse(reason) => {
                counter.with_label_values(&["refused"]).inc();
                tracing::warn!(%version, %reason, "refused: what was known before stays");
                refuse(to_controller, key, version, &reason).await
            }
            Verdict::Resubscribe(reason) => {
                counter.with_label_values(&["resubscribed"]).inc();
                tracing::warn!(%version, %reason, "asking for the whole");
                refuse(to_controller, key.clone(), version, &reason).await?;
                send(to_controller, Message::Subscribe(Subscribe { key: Some(key), held: String::new() })).await
            }
            Verdict::Stray => Ok(()),
        }
    }

    /// Applies a change in every worker; only then it is held.
    async fn apply(&mut self, change: Change, version: &str) -> Verdict {
        let update = match &change {
            Change::Bundles(bundles) => match self.shared.tls.roots().advance(bundles) {
                Ok(()) => {
                    saved::keep(&self.shared.config, self.shared.tls.roots()).await;
                    Update::Trust
                }
                Err(error) => return Verdict::Refuse(error.to_string()),
            },
            Change::Policy(policy) => Update::Policy(Arc::clone(policy)),
            Change::Destination(key, destination) => Update::Destination(key.clone(), Arc::clone(destination)),
        };
        self.everywhere(update).await;
        match change {
            Change::Policy(_) => self.policy_pending = None,
            Change::Bundles(_) => self.leaf.roots_changed(&self.shared),
            Change::Destination(..) => {}
        }
        self.state.with(|s| s.hold(change.clone(), version.to_owned()));
        Verdict::Apply(change)
    }

    fn count(&self) {
        let known = self.state.with(|s| s.len());
        self.shared.metrics.destinations.set(i64::try_from(known).unwrap_or(i64::MAX));
    }

    async fn everywhere(&self, update: Update) {
        let mut answers = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, answer) = oneshot::channel();
            // A worker that is gone has nothing to apply; its end stops the process.
            if worker.send(Command::Apply(update.clone(), done)).await.is_ok() {
                answers.push(answer);
            }
        }
        futures::future::join_all(answers).await;
    }

    /// Gives up the destinations that nobody has used for long.
    async fn sweep(&mut self, to_controller: &mpsc::Sender<ProxyMessage>) -> Result<(), SessionError> {
        for worker in &self.workers {
            let (answer, usage) = oneshot::channel();
            if worker.send(Command::Usage(answer)).await.is_ok() {
                for (key, at) in usage.await.unwrap_or_default() {
                    self.state.with(|s| s.used(&key, at));
                }
            }
        }
        let Some(since) = Instant::now().checked_sub(DESTINATION_IDLE) else { return Ok(()) };
        for key in self.state.with(|s| s.forget(since)) {
            let resource = encode::destination_key(&key);
            self.everywhere(Update::Forget(key)).await;
            send(to_controller, Message::Unsubscribe(Unsubscribe { key: Some(resource) })).await?;
        }
        self.count();
        Ok(())
    }
}

async fn refuse(
    to_controller: &mpsc::Sender<ProxyMessage>,
    key: ResourceKey,
    version: String,
    reason: &str,
) -> Result<(), SessionError> {
    let reason = reason.chars().take(MAX_REASON_CHARS).collect();
    send(to_controller, Message::Refuse(Refuse { key: Some(key), version, reason })).await
}

async fn send(to_controller: &mpsc::Sender<ProxyMessage>, message: Message) -> Result<(), SessionError> {
    to_controller.send(ProxyMessage { message: Some(message) }).await.map_err(|_| SessionError::Closed)
}
