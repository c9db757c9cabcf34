//! A scripted proxy: it gets its certificate by a real token, and keeps a session.

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use isthmus_api::control::v1::{
    self as proto, CertifyRequest, ControllerMessage, ProxyMessage, control_client::ControlClient,
    identity_client::IdentityClient, proxy_message::Message,
};
use isthmus_identity::{Bundle, Keypair, MeshTls, RootId, Svid, SvidCell, TrustStore};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Pod, Secret, ServiceAccount},
};
use kube::{Api, ResourceExt};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use crate::world::World;

pub(crate) struct Proxy {
    send: mpsc::Sender<ProxyMessage>,
    hear: Streaming<ControllerMessage>,
}

impl World {
    pub(crate) async fn proxy(&self, pod: &str, account: &str) -> Proxy {
        let cell = self.certify(pod, account).await;
        let (send, receive) = mpsc::channel(100);
        let hello = proto::Hello { namespace: "shop".into(), pod: pod.into(), proxy_version: "test".into() };
        send.send(ProxyMessage { message: Some(Message::Hello(hello)) }).await.unwrap();
        let session = ControlClient::new(self.channel(cell).await).session(ReceiverStream::new(receive)).await;
        Proxy { send, hear: session.unwrap().into_inner() }
    }

    /// A certificate of now.
    pub(crate) async fn certify(&self, pod: &str, account: &str) -> Arc<SvidCell> {
        let cell = Arc::new(SvidCell::new());
        let keypair = Keypair::generate().unwrap();
        let mut identity = IdentityClient::new(self.channel(cell.clone()).await);
        let request = CertifyRequest { csr: keypair.csr().unwrap().into(), token: self.token(pod, account).await };
        let answer = identity.certify(request).await.unwrap().into_inner();
        let chain = answer.chain.iter().map(|der| der.to_vec().into()).collect();
        let svid = Svid::new(chain, &keypair).unwrap();
        assert_eq!(svid.id().to_string(), format!("spiffe://{}/ns/shop/sa/{account}", self.config.trust_domain));
        cell.set(svid);
        cell
    }

    /// The published roots, the signing one first.
    pub(crate) async fn roots(&self) -> Bundle {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "isthmus-system");
        let data = secrets.get("isthmus-trust").await.unwrap().data.unwrap();
        let pem = ["signer.crt", "other.crt"].into_iter().filter_map(|key| data.get(key)).map(|pem| pem.0.clone());
        let pem = String::from_utf8(pem.collect::<Vec<_>>().concat()).unwrap();
        Bundle::from_pem(self.config.trust_domain.clone(), &pem, 1).unwrap()
    }

    async fn token(&self, pod: &str, account: &str) -> String {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "shop");
        let bound = BoundObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(pod.into()),
            uid: pods.get(pod).await.unwrap().uid(),
        };
        let spec = TokenRequestSpec {
            audiences: vec!["isthmus".into()],
            bound_object_ref: Some(bound),
            expiration_seconds: Some(3600),
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "shop");
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(account, &Default::default(), &request).await.unwrap();
        answer.status.unwrap().token
    }

    async fn channel(&self, cell: Arc<SvidCell>) -> Channel {
        let tls = MeshTls::new(Arc::new(TrustStore::with(&[self.roots().await]).unwrap()), cell);
        let config = tls.client_config(&[b"h2"], self.config.identity().unwrap()).unwrap();
        let (connector, addr) = (TlsConnector::from(config), self.config.grpc_addr);
        let connect = tower::service_fn(move |_: http::Uri| {
            let connector = connector.clone();
            async move {
                let stream = tokio::net::TcpStream::connect(addr).await?;
                let name = "isthmus-controller.isthmus-system.svc".try_into().unwrap();
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        tonic::transport::Endpoint::from_static("http://controller").connect_with_connector(connect).await.unwrap()
    }
}

impl Proxy {
    async fn say(&self, message: Message) {
        self.send.send(ProxyMessage { message: Some(message) }).await.unwrap();
    }

    pub(crate) async fn subscribe(&self, key: proto::ResourceKey, held: &str) {
        self.say(Message::Subscribe(proto::Subscribe { key: Some(key), held: held.into() })).await;
    }

    pub(crate) async fn ack(&self, message: &ControllerMessage) {
        self.ack_cutting(message, 0).await;
    }

    /// Having cut so many connections because of it.
    pub(crate) async fn ack_cutting(&self, message: &ControllerMessage, cut_connections: u32) {
        let ack = proto::Ack { key: message.key.clone(), version: message.version.clone(), cut_connections };
        self.say(Message::Ack(ack)).await;
    }

    pub(crate) async fn refuse(&self, message: &ControllerMessage, reason: &str) {
        let (key, version) = (message.key.clone(), message.version.clone());
        self.say(Message::Refuse(proto::Refuse { key, version, reason: reason.into() })).await;
    }

    pub(crate) async fn traffic(&self, milliseconds: u32, edges: Vec<proto::Edge>) {
        self.say(Message::Traffic(proto::Traffic { milliseconds, edges })).await;
    }

    pub(crate) async fn certified(&self, root: RootId) {
        self.say(Message::Certified(proto::Certified { root: root.as_bytes().to_vec().into() })).await;
    }

    pub(crate) async fn hear(&mut self) -> ControllerMessage {
        let next = tokio::time::timeout(Duration::from_secs(30), self.hear.message());
        next.await.expect("nothing came").expect("the session failed").expect("the session ended")
    }
}
