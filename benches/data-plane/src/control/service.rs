//! The two gRPC services.

use std::{sync::Arc, time::SystemTime};

use isthmus_api::control::v1::{
    CertifyRequest, CertifyResponse, ControllerMessage, ProxyMessage, control_server, identity_server,
    proxy_message::Message,
};
use isthmus_core::id::SpiffeId;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Script, Session};

/// Most messages that wait for a proxy.
const QUEUE: usize = 1000;

/// What one connection is served.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) script: Script,
    /// Who has connected.
    pub(super) peer: Option<SpiffeId>,
}

#[tonic::async_trait]
impl identity_server::Identity for Service {
    /// The token is the ServiceAccount: `namespace/name`.
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let CertifyRequest { csr, token } = request.into_inner();
        let bad = |error: String| Status::invalid_argument(error);
        let (namespace, account) = token.split_once('/').ok_or_else(|| bad("the token is not ns/sa".into()))?;
        let authority = &self.script.authority;
        let id = SpiffeId::for_service_account(authority.trust_domain(), namespace, account)
            .map_err(|error| bad(error.to_string()))?;
        let issued = authority
            .issue(&csr, &id, SystemTime::now(), self.script.lifetime)
            .map_err(|error| bad(error.to_string()))?;
        Ok(Response::new(CertifyResponse {
            chain: issued.chain.into_iter().map(|c| c.to_vec().into()).collect(),
            bundles: self.script.bundles(),
            ..CertifyResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl control_server::Control for Service {
    type SessionStream = ReceiverStream<Result<ControllerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ProxyMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if self.peer.is_none() {
            return Err(Status::unauthenticated("a session needs a client certificate"));
        }
        let mut incoming = request.into_inner();
        let Some(ProxyMessage { message: Some(Message::Hello(hello)) }) = incoming.message().await? else {
            return Err(Status::invalid_argument("the first message is not Hello"));
        };
        let (to_proxy, answers) = mpsc::channel(QUEUE);
        let session = Session { pod: hello.pod, to_proxy, subscribed: Arc::default() };
        self.script.state.lock().sessions.push(session.clone());
        let script = self.script.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                hear(&script, &session, message.message).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

async fn hear(script: &Script, session: &Session, message: Option<Message>) {
    match message {
        Some(Message::Subscribe(subscribe)) => {
            let Some(key) = subscribe.key else { return };
            session.subscribed.lock().push(key.clone());
            let answer = script.message(&session.pod, &key);
            let answer = answer.map_err(|error| Status::invalid_argument(error.to_string())).transpose();
            if let Some(answer) = answer {
                let _ = session.to_proxy.send(answer).await;
            }
        }
        Some(Message::Unsubscribe(gone)) => session.subscribed.lock().retain(|key| Some(key) != gone.key.as_ref()),
        // A refusal of what the benchmark says is a fault of the benchmark: its requests then fail.
        Some(Message::Refuse(refuse)) => eprintln!("{} refused {:?}: {}", session.pod, refuse.key, refuse.reason),
        // Acknowledgements and what else proxies report: nothing here waits for it.
        Some(_) | None => {}
    }
}
