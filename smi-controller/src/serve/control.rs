//! The session of a proxy over gRPC.

use std::{sync::Arc, time::Duration};

use hyper::body::Bytes;
use isthmus_api::{
    control::v1::{ProxyMessage, proxy_message::Message},
    listen::Peer,
    server::{ControlServer, Frames, Sessions},
};
use isthmus_core::id::{ObjectName, SpiffeId, TrustDomain};
use isthmus_identity::RootId;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming, codegen::http::Extensions};

use super::{Hub, registry::SessionId, resource::Key};
use crate::telemetry::Traffic;

/// How long a proxy may take to say who it is.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// The service.
#[derive(Debug, Clone)]
pub(crate) struct ControlService {
    hub: Arc<Hub>,
    trust_domain: TrustDomain,
    traffic: Arc<Traffic>,
    stop: CancellationToken,
}

/// A session that has been admitted: its number, and what says that there may be something to send.
type Admitted = (SessionId, Arc<Notify>);

impl ControlService {
    /// For proxies of this trust domain only: the roots of others may be trusted by the listener. Sessions end with
    /// `stop`, so that proxies look for another replica at once.
    pub(crate) fn server(
        hub: Arc<Hub>,
        trust_domain: TrustDomain,
        traffic: Arc<Traffic>,
        stop: CancellationToken,
    ) -> ControlServer<Self> {
        ControlServer::new(Self { hub, trust_domain, traffic, stop })
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

    /// Only gateways are told what gateways relay.
    fn is_gateway(&self, peer: &SpiffeId) -> bool {
        let gateway = self.hub.with(|registry| registry.index().settings.gateway());
        peer.service_account() == Some((&*gateway.namespace, &*gateway.name))
    }

    /// Admits a proxy and hears it out; says how it ended.
    async fn converse(
        self,
        peer: SpiffeId,
        mut messages: Streaming<ProxyMessage>,
        admitted: oneshot::Sender<Admitted>,
    ) -> Status {
        let unavailable = || Status::unavailable("this controller is ending");
        let greeting = tokio::select! {
            greeting = self.greet(&peer, &mut messages) => greeting,
            () = self.stop.cancelled() => return unavailable(),
        };
        let pod = match greeting {
            Ok(pod) => pod,
            Err(status) => {
                tracing::info!(%peer, %status, "proxy not admitted");
                return status;
            }
        };
        let (id, wake, replaced) = self.hub.with(|registry| registry.open(pod.clone()));
        let _close = Close { hub: self.hub.clone(), id };
        if admitted.send((id, wake)).is_err() {
            return Status::cancelled("the proxy has gone");
        }
        let caller = Caller { pod: pod.clone(), is_gateway: self.is_gateway(&peer) };
        let hear = async {
            loop {
                match messages.message().await {
                    Ok(Some(message)) => self.take(id, &caller, message)?,
                    Ok(None) => return Ok(()),
                    Err(status) => return Err(status),
                }
            }
        };
        let end: Result<(), Status> = tokio::select! {
            end = hear => end,
            () = self.stop.cancelled() => Err(unavailable()),
            () = replaced.cancelled() => Err(Status::aborted("a newer session of this pod has taken over")),
        };
        match end {
            Ok(()) => {
                tracing::info!(%pod, "proxy disconnected");
                Status::ok("")
            }
            Err(status) => {
                tracing::info!(%pod, code = ?status.code(), message = status.message(), "proxy session over");
                status
            }
        }
    }

    fn take(&self, id: SessionId, caller: &Caller, message: ProxyMessage) -> Result<(), Status> {
        let key = |key| match Key::read(key, &caller.pod) {
            Ok(Some(Key::Gateway)) if !caller.is_gateway => {
                Err(Status::permission_denied(format!("pod {} isn't a gateway of the mesh", caller.pod)))
            }
            Ok(key) => Ok(key),
            Err(error) => Err(Status::invalid_argument(error.to_string())),
        };
        match message.message {
            Some(Message::Subscribe(m)) => {
                let Some(key) = key(m.key)? else { return Ok(()) };
                let done = self.hub.with(|registry| registry.subscribe(id, key, m.held));
                done.map_err(|error| Status::resource_exhausted(error.to_string()))
            }
            Some(Message::Unsubscribe(m)) => {
                let Some(key) = key(m.key)? else { return Ok(()) };
                self.hub.with(|registry| registry.unsubscribe(id, &key));
                Ok(())
            }
            Some(Message::Ack(m)) => {
                let Some(key) = key(m.key)? else { return Ok(()) };
                self.hub.with(|registry| {
                    registry.ack(id, &key, &m.version);
                    match key {
                        Key::Bundles => registry.has_cut(Some(&m.version), m.cut_connections),
                        Key::Gateway => registry.has_cut(None, m.cut_connections),
                        Key::Inbound(_) | Key::Destination(..) | Key::Telemetry(_) | Key::Taps(_) => {}
                    }
                });
                Ok(())
            }
            Some(Message::Refuse(m)) => {
                let Some(key) = key(m.key)? else { return Ok(()) };
                self.hub.with(|registry| registry.refuse(id, &key, &m.version, &m.reason));
                Ok(())
            }
            Some(Message::Traffic(m)) => {
                self.traffic.take(&caller.pod, m);
                Ok(())
            }
            Some(Message::Tapped(m)) => {
                self.hub.tapped(&caller.pod, m);
                Ok(())
            }
            Some(Message::Certified(m)) => {
                let root = RootId::from_bytes(&m.root);
                let root =
                    root.ok_or_else(|| Status::invalid_argument("Certified.root: must be a SHA-256, 32 bytes"))?;
                self.hub.with(|registry| registry.certified(id, root));
                Ok(())
            }
            Some(Message::Hello(_)) => Err(Status::invalid_argument("Hello comes once")),
            // Of a newer proxy: what isn't known is not answered.
            None => Ok(()),
        }
    }
}

/// Who is at the other end, for as long as the session lasts.
struct Caller {
    pod: ObjectName,
    is_gateway: bool,
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

impl Sessions for ControlService {
    fn session(&self, extensions: &Extensions, messages: Streaming<ProxyMessage>) -> Result<Frames, Status> {
        let peer = extensions.get::<Peer>();
        let Some((identity, addr)) = peer.and_then(|peer| Some((peer.identity.clone()?, peer.addr))) else {
            return Err(Status::unauthenticated("a session needs a client certificate of the mesh"));
        };
        tracing::debug!(%identity, %addr, "a session begins");
        let (admit, admitted) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let conversation = self.clone().converse(identity, messages, admit);
        tokio::spawn(async move {
            let status = conversation.await;
            // Unless the proxy has gone already.
            let _ = end.send(status);
        });
        let voice = Voice { hub: self.hub.clone(), admitted: Some(admitted), session: None, ended, over: false };
        Ok(Box::pin(futures::stream::unfold(voice, |mut voice| async {
            let said = voice.say().await?;
            Some((said, voice))
        })))
    }
}

/// What the proxy hears. It is asked only when the connection can take more, and gives the newest then: what changes
/// while a proxy is slow is sent to it once, and waits nowhere.
struct Voice {
    hub: Arc<Hub>,
    admitted: Option<oneshot::Receiver<Admitted>>,
    session: Option<Admitted>,
    ended: oneshot::Receiver<Status>,
    over: bool,
}

impl Voice {
    /// The next frame, or how the session ended. `None`: all is said.
    async fn say(&mut self) -> Option<Result<Bytes, Status>> {
        let Self { hub, admitted, session, ended, over } = self;
        if *over {
            return None;
        }
        let frame = async {
            if let Some(admitted) = admitted.take() {
                *session = admitted.await.ok();
            }
            // Not admitted: `ended` says why.
            let Some((id, wake)) = session else { return std::future::pending().await };
            loop {
                let woken = wake.notified();
                if let Some(frame) = hub.with(|registry| registry.next(*id)) {
                    return frame;
                }
                woken.await;
            }
        };
        let status = tokio::select! {
            biased;
            status = ended => status.unwrap_or_else(|_| Status::internal("the session broke")),
            frame = frame => return Some(Ok(frame)),
        };
        *over = true;
        (status.code() != tonic::Code::Ok).then_some(Err(status))
    }
}
