//! The session with the controller: kept up, and everything received applied before it is acknowledged.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_api::{
    MAX_MESSAGE_BYTES, MAX_PROXY_MESSAGE_BYTES, MAX_REASON_CHARS,
    control::v1::{
        Ack, Certified, ControllerMessage, Hello, ProxyMessage, Refuse, ResourceKey, Subscribe, Unsubscribe,
        control_client::ControlClient, proxy_message::Message,
    },
};
use isthmus_runtime::{
    backoff::{Backoff, jitter},
    build,
    error_text::with_causes,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::{
    Link, connect,
    leaf::Leaf,
    saved,
    subscriber::{Subscriber, Verdict},
    taken::Taken,
};
use crate::limits::{RECONNECT_FIRST, RECONNECT_LONGEST};

/// Most messages that wait to be sent to the controller.
const QUEUE: usize = 256;
/// Longest that the controller is listened to once it has stopped listening.
const LAST_WORD_TIME: Duration = Duration::from_secs(1);

pub(super) struct Client<'l, S> {
    link: Arc<Link>,
    subscriber: S,
    leaf: &'l Leaf,
    extras: Extras,
    taken: Taken,
}

/// What is known of the controller's knowing the extras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extras {
    /// They are asked for.
    Asked,
    /// They were answered in this session.
    Known,
    /// The controller ended the last session over them: they aren't asked for in this one.
    Unknown,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("the controller can't be reached: {}", with_causes(.0))]
    Unreachable(#[from] tonic::transport::Error),
    #[error("the controller ended the session: {0}")]
    Status(#[from] tonic::Status),
    #[error("the controller closed the session")]
    Closed,
}

impl<'l, S: Subscriber> Client<'l, S> {
    pub(super) fn new(link: Arc<Link>, subscriber: S, leaf: &'l Leaf) -> Self {
        let taken = Taken::new(&link.metrics);
        Self { link, subscriber, leaf, extras: Extras::Asked, taken }
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
                self.extras = self.extras.after(&error);
            }
            self.link.reach.lost();
            self.link.metrics.connected.set(0);
            // A session that held for a while was a good one: begin anew with short waits.
            attempt = if began.elapsed() > RECONNECT_LONGEST { 0 } else { attempt + 1 };
            self.meanwhile(tokio::time::sleep(backoff.delay(attempt, jitter()))).await;
        }
    }

    /// Waits for something while wishes are taken down.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        loop {
            tokio::select! {
                done = &mut awaited => return done,
                wish = self.subscriber.wish() => self.subscriber.note(wish),
            }
        }
    }

    async fn session(&mut self) -> Result<(), SessionError> {
        let link = Arc::clone(&self.link);
        let channel = self.meanwhile(connect::channel(&link)).await?;
        let (to_controller, queue) = mpsc::channel(QUEUE);
        let config = &link.config;
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
        link.reach.gained();
        self.leaf.reached();
        link.metrics.connected.set(1);
        let mut from_controller = from_controller;
        let end = self.converse(to_controller, &mut from_controller).await;
        // What can't be sent any more doesn't say why.
        match end {
            Err(SessionError::Closed) => Err(self.meanwhile(last_word(from_controller)).await),
            end => end,
        }
    }

    async fn converse(
        &mut self,
        to_controller: mpsc::Sender<ProxyMessage>,
        from_controller: &mut Streaming<ControllerMessage>,
    ) -> Result<(), SessionError> {
        for subscribe in self.subscriber.all() {
            send(&to_controller, Message::Subscribe(subscribe)).await?;
        }
        let extras = if self.extras == Extras::Unknown { Vec::new() } else { self.subscriber.extras() };
        for subscribe in extras {
            send(&to_controller, Message::Subscribe(subscribe)).await?;
        }
        let mut own = self.leaf.own();
        own.mark_changed();
        loop {
            tokio::select! {
                message = from_controller.message() => {
                    let message = message?.ok_or(SessionError::Closed)?;
                    self.receive(message, &to_controller).await?;
                }
                wish = self.subscriber.wish() => {
                    // What is told is told once: not to whom has gone.
                    if to_controller.is_closed() {
                        self.subscriber.note(wish);
                        return Err(SessionError::Closed);
                    }
                    for message in self.subscriber.fulfil(wish).await {
                        if let Message::Unsubscribe(Unsubscribe { key: Some(key) }) = &message {
                            self.taken.given_up(key);
                        }
                        send(&to_controller, message).await?;
                    }
                }
                Ok(()) = own.changed() => {
                    let root = own.borrow_and_update().root();
                    if let Some(root) = root {
                        let root = root.as_bytes().to_vec().into();
                        send(&to_controller, Message::Certified(Certified { root })).await?;
                    }
                }
            }
        }
    }

    async fn receive(
        &mut self,
        message: ControllerMessage,
        to_controller: &mpsc::Sender<ProxyMessage>,
    ) -> Result<(), SessionError> {
        let Some(key) = message.key.clone() else { return Ok(()) };
        if self.extras == Extras::Asked && self.subscriber.extras().iter().any(|extra| extra.key.as_ref() == Some(&key))
        {
            self.extras = Extras::Known;
        }
        let version = message.version.clone();
        let verdict = match self.subscriber.judge(message) {
            Verdict::Apply(change) => self.apply(change, &version).await,
            other => other,
        };
        let counter = &self.link.metrics.updates;
        match verdict {
            Verdict::Apply(_) | Verdict::Held => {
                counter.with_label_values(&["applied"]).inc();
                self.taken.applied(&key, &version, SystemTime::now());
                let cut_connections = self.subscriber.take_cut();
                send(to_controller, Message::Ack(Ack { key: Some(key), version, cut_connections })).await
            }
            Verdict::Refuse(reason) => {
                counter.with_label_values(&["refused"]).inc();
                self.taken.refused(&key);
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

    /// Puts a change into use; only then it is held.
    async fn apply(&mut self, change: S::Change, version: &str) -> Verdict<S::Change> {
        let bundles = S::bundles(&change);
        if let Some(bundles) = bundles {
            if let Err(error) = self.link.tls.roots().advance(bundles) {
                return Verdict::Refuse(error.to_string());
            }
            saved::keep(&self.link.config, self.link.tls.roots()).await;
        }
        self.subscriber.apply(&change).await;
        if bundles.is_some() {
            self.leaf.roots_changed(&self.link);
        }
        self.subscriber.hold(change.clone(), version.to_owned());
        Verdict::Apply(change)
    }
}

impl Extras {
    /// What is known after a session that ended so.
    fn after(self, end: &SessionError) -> Self {
        let refused = matches!(end, SessionError::Status(status) if status.code() == Code::InvalidArgument);
        if refused && self == Self::Asked {
            tracing::info!(
                "the controller may be older than this proxy: it is asked for no more than proxies of old want"
            );
            return Self::Unknown;
        }
        Self::Asked
    }
}

/// How the controller ended a session that it doesn't read from any more.
async fn last_word(mut from_controller: Streaming<ControllerMessage>) -> SessionError {
    let heard = async {
        loop {
            match from_controller.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return SessionError::Closed,
                Err(status) => return SessionError::Status(status),
            }
        }
    };
    tokio::time::timeout(LAST_WORD_TIME, heard).await.unwrap_or(SessionError::Closed)
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
