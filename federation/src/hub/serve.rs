//! The hub's services over gRPC.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::Stream;
use isthmus_api::{
    federation::v1::{self as proto, federation_server, joining_server, member_message::Message},
    listen::{self, Peer, Room},
};
use isthmus_identity::{ClientCerts, MeshTls};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, oneshot},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    NotAdmitted,
    allowance::Allowances,
    heard::Speaker,
    session::SessionId,
    shared::{Begun, Hub, JoinFailed},
    store::Store,
};
use crate::limits::{MAX_JOIN_BYTES, MAX_MESSAGE_BYTES};

/// How long a member may take to say who it is.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// Connections at a time: one without a certificate asks for the hub's bundle, or to join; those of a mesh have one identity.
const ROOM: Room = Room { all: 4096, strangers: 256, each: 256, stay: Duration::from_secs(60) };
/// Most requests of unknown callers that are worked on at a time.
const MAX_STRANGERS: usize = 16;
/// Most streams of one connection: a member needs one.
const MAX_STREAMS: u32 = 4;
/// A connection without traffic is asked for a sign of life after this…
const KEEPALIVE: Duration = Duration::from_secs(10);
/// …and given up after this.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(10);

/// Serves members until `stop`.
pub async fn serve<S: Store>(
    hub: Arc<Hub<S>>,
    listener: TcpListener,
    tls: &MeshTls,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let tls = tls.server_config(&[b"h2"], ClientCerts::Optional)?;
    let connections = listen::listen(listener, tls, ROOM, stop.clone());
    let sessions = federation_server::FederationServer::new(Sessions { hub: Arc::clone(&hub), stop: stop.clone() })
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let door = Door { hub, allowances: Mutex::default(), turns: Semaphore::new(MAX_STRANGERS) };
    let door = joining_server::JoiningServer::new(door)
        .max_decoding_message_size(MAX_JOIN_BYTES)
        .max_encoding_message_size(MAX_JOIN_BYTES);
    Ok(tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_LIMIT))
        .max_concurrent_streams(Some(MAX_STREAMS))
        .add_service(sessions)
        .add_service(door)
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned())
        .await?)
}

/// Why the hub doesn't serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The server ended.
    #[error("gRPC server: {0}")]
    Grpc(#[from] tonic::transport::Error),
}

/// For whom the hub doesn't know yet.
struct Door<S> {
    hub: Arc<Hub<S>>,
    allowances: Mutex<Allowances>,
    turns: Semaphore,
}

impl<S: Store> Door<S> {
    fn turn(&self, extensions: &tonic::Extensions) -> Result<tokio::sync::SemaphorePermit<'_>, Status> {
        let address = extensions.get::<Peer>().map(|peer| peer.addr.ip());
        let address = address.ok_or_else(|| Status::internal("the connection has no address"))?;
        if !self.allowances.lock().take(address, Instant::now()) {
            return Err(Status::unavailable("this address has asked too often; try again in some seconds"));
        }
        self.turns.try_acquire().map_err(|_| Status::unavailable("too many requests at a time; try again"))
    }
}

#[tonic::async_trait]
impl<S: Store> joining_server::Joining for Door<S> {
    async fn bundle(&self, request: Request<proto::BundleRequest>) -> Result<Response<proto::BundleResponse>, Status> {
        let _turn = self.turn(request.extensions())?;
        let chain = self.hub.with(|state| state.own_chain());
        if chain.chain.is_empty() {
            return Err(Status::unavailable("the controller of the hub's own mesh hasn't connected yet; try again"));
        }
        Ok(Response::new(chain))
    }

    async fn join(&self, request: Request<proto::JoinRequest>) -> Result<Response<proto::JoinResponse>, Status> {
        let joins = &self.hub.metrics.joins;
        let _turn = self.turn(request.extensions()).inspect_err(|_| joins.with_label_values(&["busy"]).inc())?;
        match self.hub.admit(request.into_inner()).await {
            Ok(mesh) => {
                joins.with_label_values(&["admitted"]).inc();
                tracing::info!(%mesh, "mesh joined");
                Ok(Response::new(proto::JoinResponse { chain: self.hub.with(|state| state.own_chain()).chain }))
            }
            Err(error) => {
                joins.with_label_values(&["refused"]).inc();
                tracing::info!(%error, "mesh not admitted");
                Err(match error {
                    JoinFailed::NotAdmitted(_) => Status::permission_denied(error.to_string()),
                    JoinFailed::NotKept(_) => Status::unavailable(error.to_string()),
                })
            }
        }
    }
}

/// For members.
struct Sessions<S> {
    hub: Arc<Hub<S>>,
    stop: CancellationToken,
}

#[tonic::async_trait]
impl<S: Store> federation_server::Federation for Sessions<S> {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<proto::HubMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<proto::MemberMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let identity = request.extensions().get::<Peer>().and_then(|peer| peer.identity.clone());
        let identity =
            identity.ok_or_else(|| Status::unauthenticated("a session needs a mesh controller's certificate"))?;
        let mut messages = request.into_inner();
        let first = tokio::time::timeout(HELLO_LIMIT, messages.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no Hello within 10 s"))??;
        let Some(Message::Hello(hello)) = first.and_then(|message| message.message) else {
            return Err(Status::invalid_argument("the first message must be Hello"));
        };
        let begun = self.hub.begin(&identity, &hello).map_err(|error| {
            tracing::info!(%identity, %error, "member not admitted");
            match error {
                NotAdmitted::TooOften { .. } => Status::resource_exhausted(error.to_string()),
                _ => Status::permission_denied(error.to_string()),
            }
        })?;
        let Begun { id, wake, over, who } = begun;
        tracing::info!(mesh = %who.0, cluster = %who.1, version = hello.version, "member connected");
        let (end, ended) = oneshot::channel();
        let (hub, stop) = (Arc::clone(&self.hub), self.stop.clone());
        tokio::spawn(async move {
            let status = hear(&hub, id, &who, messages, &over, &stop).await;
            tracing::info!(mesh = %who.0, cluster = %who.1, reason = status.message(), "member disconnected");
            // Unless the member has gone already.
            let _ = end.send(status);
        });
        let voice = Voice { hub: Arc::clone(&self.hub), id, wake, ended, over: false };
        Ok(Response::new(Box::pin(futures::stream::unfold(voice, |mut voice| async {
            let said = voice.say().await?;
            Some((said, voice))
        }))))
    }
}

/// Hears a member out; gives how it ended.
async fn hear<S: Store>(
    hub: &Hub<S>,
    id: SessionId,
    who: &Speaker,
    mut messages: Streaming<proto::MemberMessage>,
    over: &CancellationToken,
    stop: &CancellationToken,
) -> Status {
    let hearing = async {
        loop {
            match messages.message().await {
                Ok(Some(message)) => hub.hear(id, who, message).await,
                Ok(None) => return Status::ok("the member closed the session"),
                Err(status) => return status,
            }
        }
    };
    let status = tokio::select! {
        status = hearing => status,
        () = over.cancelled() => Status::permission_denied("a newer session of this cluster has taken over, or its mesh was revoked"),
        () = stop.cancelled() => Status::unavailable("this hub stops; another one will serve"),
    };
    hub.with(|state| state.close(id));
    status
}

/// What the member hears. It is asked only when the connection can take more, and gives the newest then.
struct Voice<S> {
    hub: Arc<Hub<S>>,
    id: SessionId,
    wake: Arc<Notify>,
    ended: oneshot::Receiver<Status>,
    over: bool,
}

impl<S: Store> Voice<S> {
    /// The next message, or how the session ended. `None`: all is said.
    async fn say(&mut self) -> Option<Result<proto::HubMessage, Status>> {
        let Self { hub, id, wake, ended, over } = self;
        if *over {
            return None;
        }
        let message = async {
            loop {
                let woken = wake.notified();
                if let Some(message) = hub.with(|state| state.next(*id)) {
                    return message;
                }
                woken.await;
            }
        };
        let status = tokio::select! {
            biased;
            status = ended => status.unwrap_or_else(|_| Status::internal("the session broke")),
            message = message => return Some(Ok(message)),
        };
        *over = true;
        (status.code() != tonic::Code::Ok).then_some(Err(status))
    }
}
