//! Keeps a session with the hub.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use isthmus_api::federation::v1::{HubMessage, MemberMessage, federation_client::FederationClient};
use isthmus_identity::{MeshTls, SvidCell, TrustStore};
use isthmus_runtime::{
    backoff::{Backoff, jitter},
    build,
    error_text::with_causes,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::{
    connect,
    event::Event,
    join::{self, HubRef},
    offer::Offer,
    state::State,
};
use crate::limits::MAX_MESSAGE_BYTES;

/// Pauses between attempts to reach the hub.
const RECONNECT: Backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(15) };
/// How long the hub may take to begin a session.
const OPEN_TIME: Duration = Duration::from_secs(15);
/// Messages that wait for the connection: what changes meanwhile is said as it is then.
const QUEUE: usize = 4;
/// Longest sleep without a look at what is to be said: a renewed certificate seals anew.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What a member needs.
#[derive(Debug)]
pub struct Parts {
    /// The controller's certificate: shown to the hub, and seals what is said.
    pub svid: Arc<SvidCell>,
    /// The hub.
    pub hub: HubRef,
    /// What is offered.
    pub offer: watch::Receiver<Arc<Offer>>,
    /// What has happened. The member waits for whoever reads this; when that is dropped, it ends.
    pub events: mpsc::Sender<Event>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("this controller has no certificate yet")]
    NoCertificate,
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the hub can't be reached: {}", with_causes(.0))]
    Unreachable(#[from] tonic::transport::Error),
    /// A server says by an alert alone, after the client's handshake, that it doesn't take a certificate.
    #[error(
        "the hub cut the connection before a session began ({}): it doesn't take this mesh's certificate if the mesh hasn't \
         joined, or was put out; then join by an invitation",
        connect::words(.0)
    )]
    Unwelcome(tonic::Status),
    #[error("the hub didn't begin a session within {OPEN_TIME:?}")]
    Silent,
    #[error("the hub ended the session: {}", connect::words(.0))]
    Status(#[from] tonic::Status),
    #[error("the hub closed the session")]
    Closed,
    #[error("nobody listens to this member")]
    Unheard,
}

struct Member {
    parts: Parts,
    tls: MeshTls,
    state: State,
}

/// Holds a session with the hub until it is stopped.
pub async fn run(mut parts: Parts) {
    let offer = Arc::clone(&parts.offer.borrow_and_update());
    let state = State::new(offer, parts.hub.held.clone(), Instant::now());
    let tls = MeshTls::new(Arc::new(TrustStore::new()), Arc::clone(&parts.svid));
    let stop = parts.stop.clone();
    let mut member = Member { parts, tls, state };
    stop.run_until_cancelled(member.keep()).await;
}

impl Member {
    async fn keep(&mut self) {
        let mut attempt = 0;
        loop {
            let began = Instant::now();
            let error = match self.session().await {
                Err(SessionError::Unheard) => return,
                Err(error) => error,
                Ok(()) => SessionError::Closed,
            };
            let why = error.to_string();
            tracing::warn!(error = why, "no session with the hub: what is held goes on to be used");
            if self.parts.events.send(Event::Lost { why }).await.is_err() {
                return;
            }
            if matches!(error, SessionError::Unreachable(_)) {
                self.follow_hub().await;
            }
            // A session that held for a while was a good one: begin anew with short waits.
            attempt = if began.elapsed() > RECONNECT.max { 0 } else { attempt + 1 };
            let pause = tokio::time::sleep(RECONNECT.delay(attempt, jitter()));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    changed = self.parts.offer.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        self.take_offer();
                    }
                }
            }
        }
    }

    /// A hub that can't be verified may stand on roots that this member has missed. Its bundles say so, by their signatures.
    async fn follow_hub(&mut self) {
        match join::ask(&self.parts.hub.addresses).await {
            Ok(chain) => {
                self.state.follow_hub(&chain, SystemTime::now());
                // Told with the rest: nothing else waits now.
                let _ = self.tell().await;
            }
            Err(error) => tracing::debug!(%error, "no bundle of the hub's mesh"),
        }
    }

    fn take_offer(&mut self) {
        let offer = Arc::clone(&self.parts.offer.borrow_and_update());
        self.state.offer(offer, Instant::now());
    }

    async fn session(&mut self) -> Result<(), SessionError> {
        if self.tls.svid().get().is_none() {
            return Err(SessionError::NoCertificate);
        }
        self.trust_hub();
        let config = self.tls.client_config(connect::ALPN, self.parts.hub.identity.clone())?;
        let channel = connect::channel(&self.parts.hub.addresses, config).await?;
        let (say, queue) = mpsc::channel(QUEUE);
        say.send(self.state.hello(build::VERSION)).await.map_err(|_| SessionError::Closed)?;
        let mut client = FederationClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let opening = tokio::time::timeout(OPEN_TIME, client.session(ReceiverStream::new(queue))).await;
        let cut = |status: tonic::Status| match std::error::Error::source(&status) {
            Some(_) => SessionError::Unwelcome(status),
            None => SessionError::Status(status),
        };
        let hear = opening.map_err(|_| SessionError::Silent)?.map_err(cut)?.into_inner();
        self.converse(&say, hear).await
    }

    async fn converse(
        &mut self,
        say: &mpsc::Sender<MemberMessage>,
        mut hear: Streaming<HubMessage>,
    ) -> Result<(), SessionError> {
        let mut waiting: Option<MemberMessage> = None;
        loop {
            self.tell().await?;
            if waiting.is_none()
                && let Some(svid) = self.tls.svid().get()
            {
                waiting = self.state.next(&svid, Instant::now(), SystemTime::now());
                self.tell().await?;
            }
            let longest = Instant::now() + LOOK_AGAIN;
            let wake = self.state.wake_at().map_or(longest, |at| at.min(longest));
            tokio::select! {
                message = hear.message() => {
                    let message = message?.ok_or(SessionError::Closed)?;
                    self.state.receive(message, Instant::now(), SystemTime::now());
                }
                changed = self.parts.offer.changed() => {
                    changed.map_err(|_| SessionError::Unheard)?;
                    self.take_offer();
                }
                permit = say.reserve(), if waiting.is_some() => {
                    let permit = permit.map_err(|_| SessionError::Closed)?;
                    if let Some(message) = waiting.take() {
                        permit.send(message);
                    }
                }
                () = tokio::time::sleep_until(wake.into()), if waiting.is_none() => {}
            }
        }
    }

    /// Tells the controller.
    async fn tell(&mut self) -> Result<(), SessionError> {
        for event in self.state.events() {
            if matches!(event, Event::HubBundle(_)) {
                self.trust_hub();
            }
            self.parts.events.send(event).await.map_err(|_| SessionError::Unheard)?;
        }
        Ok(())
    }

    fn trust_hub(&self) {
        if let Err(error) = self.tls.roots().upsert(self.state.hub().bundle()) {
            tracing::warn!(%error, "the hub's new roots can't be used: the old ones stay");
        }
    }
}
