//! The session of a proxy over gRPC.

use std::{sync::Arc, time::Duration};

use isthmus_api::{
    MAX_MESSAGE_BYTES,
    control::v1::{ControllerMessage, ProxyMessage, control_server, proxy_message::Message},
};
use isthmus_core::id::{ObjectName, SpiffeId, TrustDomain};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{Hub, connection::Peer, registry::SessionId, resource::Key};

/// Messages that wait for the connection; more wait in the session's set of pending keys.
const OUTGOING: usize = 16;
/// How long a proxy may take to say who it is.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// The service.
#[derive(Debug, Clone)]
pub(crate) struct ControlService {
    hub: Arc<Hub>,
    trust_domain: TrustDomain,
    stop: CancellationToken,
}

impl ControlService {
    /// For proxies of this trust domain only: the roots of others may be trusted by the listener. Sessions end with
    /// `stop`, so that proxies look for another replica at once.
    pub(crate) fn server(
        hub: Arc<Hub>,
        trust_domain: TrustDomain,
        stop: CancellationToken,
    ) -> control_server::ControlServer<Self> {
        control_server::ControlServer::new(Self { hub, trust_domain, stop })
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Who is talking: the identity of its certificate, and the pod that it says to be, which must agree.
    async fn greet(&self, peer: &SpiffeId, messages: &mut Streaming<ProxyMessage>) -> Result<ObjectName, Status> {
        let first = tokio::time::timeout(HELLO_LIMIT, messages.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no Hello within 10 s"))??;
        let Some(Message::Hello(hello)) = first.and_then(|m| m.message) else {
            return Err(Status::invalid_argument("the first message must be Hello"));
        };
        let Some((namespace, account)) = peer.service_account().filter(|_| *peer.trust_domain() == self.trust_domain)
        else {
            return Err(Status::permission_denied(format!("{peer} is not a workload of {}", self.trust_domain)));
        };
        if hello.namespace != namespace {
            return Err(Status::permission_denied(format!("{peer} is not of namespace {:?}", hello.namespace)));
        }
        self.hub.synced().await;
        let name = ObjectName::new(hello.namespace, hello.pod);
        match self.hub.pod(&name).await {
            Some(pod) if *pod.account == *account => {
                tracing::info!(pod = %name, version = hello.proxy_version, "proxy connected");
                Ok(name)
            }
            Some(_) => Err(Status::permission_denied(format!("pod {name} doesn't run as {account}"))),
            None => Err(Status::unavailable(format!("pod {name} is not known (yet)"))),
        }
    }

    async fn converse(
        self,
        peer: SpiffeId,
        mut messages: Streaming<ProxyMessage>,
        out: mpsc::Sender<Result<ControllerMessage, Status>>,
    ) {
        let greeting = tokio::select! {
            greeting = self.greet(&peer, &mut messages) => greeting,
            () = self.stop.cancelled() => return,
        };
        let pod = match greeting {
            Ok(pod) => pod,
            Err(status) => {
                tracing::info!(%peer, %status, "proxy not admitted");
                let _ = out.send(Err(status)).await;
                return;
            }
        };
        let (id, wake, replaced) = self.hub.with(|registry| registry.open(pod.clone()));
        let _close = Close { hub: self.hub.clone(), id };
        let hear = async {
            loop {
                match messages.message().await {
                    Ok(Some(message)) => self.take(id, &pod, message)?,
                    Ok(None) => return Ok(()),
                    Err(status) => return Err(status),
                }
            }
        };
        let speak = async {
            loop {
                // A place first, then the newest content: what changes while the proxy is slow is sent once.
                let Ok(place) = out.reserve().await else { return };
                let message = loop {
                    let woken = wake.notified();
                    if let Some(message) = self.hub.with(|registry| registry.next(id)) {
                        break message;
                    }
                    woken.await;
                };
                place.send(Ok(message));
            }
        };
        let end: Result<(), Status> = tokio::select! {
            end = hear => end,
            () = speak => Ok(()),
            () = self.stop.cancelled() => Err(Status::unavailable("this controller is ending")),
            () = replaced.cancelled() => Err(Status::aborted("a newer session of this pod has taken over")),
        };
        match end {
            Ok(()) => tracing::info!(%pod, "proxy disconnected"),
            Err(status) => {
                tracing::info!(%pod, code = ?status.code(), message = status.message(), "proxy session over");
                let _ = out.try_send(Err(status));
            }
        }
    }

    fn take(&self, id: SessionId, pod: &ObjectName, message: ProxyMessage) -> Result<(), Status> {
        let key = |key| Key::read(key, pod).map_err(|error| Status::invalid_argument(error.to_string()));
        match message.message {
            Some(Message::Subscribe(m)) => {
                let key = key(m.key)?;
                let done = self.hub.with(|registry| registry.subscribe(id, key, m.held));
                done.map_err(|error| Status::resource_exhausted(error.to_string()))
            }
            Some(Message::Unsubscribe(m)) => {
                let key = key(m.key)?;
                self.hub.with(|registry| registry.unsubscribe(id, &key));
                Ok(())
            }
            Some(Message::Ack(m)) => {
                let key = key(m.key)?;
                self.hub.with(|registry| registry.ack(id, &key, &m.version));
                Ok(())
            }
            Some(Message::Refuse(m)) => {
                let key = key(m.key)?;
                self.hub.with(|registry| registry.refuse(id, &key, &m.version, &m.reason));
                Ok(())
            }
            Some(Message::Hello(_)) => Err(Status::invalid_argument("Hello comes once")),
            // Of a newer proxy: what isn't known is not answered.
            None => Ok(()),
        }
    }
}

/// Forgets a session however it ends.
struct Close {
    hub: Arc<Hub>,
    id: SessionId,
}

impl Drop for Close {
    fn drop(&mut self) {
        self.hub.with(|registry| registry.close(self.id));
    }
}

#[tonic::async_trait]
impl control_server::Control for ControlService {
    type SessionStream = ReceiverStream<Result<ControllerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ProxyMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = request.extensions().get::<Peer>();
        let Some((identity, addr)) = peer.and_then(|peer| Some((peer.identity.clone()?, peer.addr))) else {
            return Err(Status::unauthenticated("a session needs a client certificate of the mesh"));
        };
        tracing::debug!(%identity, %addr, "a session begins");
        let (out, stream) = mpsc::channel(OUTGOING);
        tokio::spawn(self.clone().converse(identity, request.into_inner(), out));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
