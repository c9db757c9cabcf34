//! One simulated proxy: certified by its token, then a session that acknowledges all it hears.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use hyper_util::rt::TokioIo;
use isthmus_api::{
    MAX_MESSAGE_BYTES,
    control::v1::{
        Ack, CertifyRequest, ControllerMessage, Hello, ProxyMessage, ResourceKey, Subscribe,
        control_client::ControlClient, controller_message::Content, destination::Kind, identity_client::IdentityClient,
        proxy_message::Message, resource_key,
    },
    encode,
};
use isthmus_core::destination::DestinationKey;
use isthmus_identity::{Keypair, MeshTls, Svid, SvidCell, TrustStore};
use isthmus_runtime::backoff::{Backoff, jitter};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::cluster::{NAMESPACE, pod_name};

/// As the sidecar's.
const RECONNECT: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(10) };
/// How long one attempt may take.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);

/// What all proxies share.
pub(crate) struct Mesh {
    pub(crate) grpc: SocketAddr,
    pub(crate) roots: Arc<TrustStore>,
    pub(crate) controller: isthmus_core::id::SpiffeId,
    pub(crate) heard: mpsc::UnboundedSender<Heard>,
    pub(crate) stop: CancellationToken,
}

/// What a proxy has acknowledged.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Everything that it subscribed to has come.
    Complete { proxy: u32, attempts: u32 },
    /// Something new of a Service, by its address.
    News { proxy: u32, host: String, news: News, at: Instant },
}

/// What is new.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A split's generation.
    Split(i64),
    /// The address of an endpoint that has come, in a delta.
    Endpoint(String),
}

/// Runs a proxy until `stop`, dialling again when it is refused.
pub(crate) async fn run(mesh: Arc<Mesh>, proxy: u32, token: String, destinations: Vec<String>) {
    let work = async {
        let mut attempt = 0;
        let svid = loop {
            match tokio::time::timeout(ATTEMPT_LIMIT, certify(&mesh, &token)).await {
                Ok(Ok(svid)) => break svid,
                _ => tokio::time::sleep(RECONNECT.delay(attempt, jitter())).await,
            }
            attempt += 1;
        };
        let cell = Arc::new(SvidCell::new());
        cell.set(svid);
        loop {
            if let Err(error) = converse(&mesh, proxy, &cell, &destinations, attempt).await {
                eprintln!("{}: {error:#}", pod_name(proxy));
            }
            tokio::time::sleep(RECONNECT.delay(attempt, jitter())).await;
            attempt += 1;
        }
    };
    tokio::select! {
        () = work => {}
        () = mesh.stop.cancelled() => {}
    }
}

async fn channel(mesh: &Mesh, cell: Arc<SvidCell>) -> anyhow::Result<Channel> {
    let tls = MeshTls::new(mesh.roots.clone(), cell).client_config(&[b"h2"], mesh.controller.clone())?;
    let (connector, addr) = (TlsConnector::from(tls), mesh.grpc);
    let connect = tower::service_fn(move |_: http::Uri| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            let name = "isthmus-controller.isthmus-system.svc".try_into().map_err(std::io::Error::other)?;
            connector.connect(name, stream).await.map(TokioIo::new)
        }
    });
    Ok(Endpoint::from_static("http://controller").connect_with_connector(connect).await?)
}

async fn certify(mesh: &Mesh, token: &str) -> anyhow::Result<Svid> {
    let keypair = Keypair::generate()?;
    let request = CertifyRequest { csr: keypair.csr()?.into(), token: token.to_owned() };
    let mut identity = IdentityClient::new(channel(mesh, Arc::new(SvidCell::new())).await?);
    let answer = identity.certify(request).await?.into_inner();
    let chain = answer.chain.iter().map(|der| der.to_vec().into()).collect();
    Ok(Svid::new(chain, &keypair)?)
}

async fn converse(
    mesh: &Mesh,
    proxy: u32,
    cell: &Arc<SvidCell>,
    destinations: &[String],
    attempts: u32,
) -> anyhow::Result<()> {
    let mut keys = vec![encode::bundles_key(), encode::inbound_key()];
    keys.extend(
        destinations
            .iter()
            .map(|host| encode::destination_key(&DestinationKey { host: host.as_str().into(), port: 80 })),
    );
    let (send, receive) = mpsc::channel(keys.len() + 1);
    let hello = Hello { namespace: NAMESPACE.into(), pod: pod_name(proxy), proxy_version: "bench".into() };
    let subscribes =
        keys.iter().map(|key| Message::Subscribe(Subscribe { key: Some(key.clone()), held: String::new() }));
    for message in [Message::Hello(hello)].into_iter().chain(subscribes) {
        send.send(ProxyMessage { message: Some(message) }).await?;
    }
    let mut client =
        ControlClient::new(channel(mesh, cell.clone()).await?).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut messages = client.session(ReceiverStream::new(receive)).await?.into_inner();
    let mut missing = keys.len();
    let mut known: HashSet<String> = HashSet::new();
    while let Some(message) = messages.message().await? {
        let ControllerMessage { key: Some(key), version, content: Some(content) } = message else {
            bail!("a message without key or content");
        };
        let news = news(&key, content);
        let name = (missing > 0).then(|| format!("{key:?}"));
        send.send(ProxyMessage { message: Some(Message::Ack(Ack { key: Some(key), version, cut_connections: 0 })) })
            .await?;
        if let Some((host, news)) = news {
            mesh.heard.send(Heard::News { proxy, host, news, at: Instant::now() })?;
        }
        if let Some(name) = name
            && known.insert(name)
        {
            missing -= 1;
            if missing == 0 {
                known = HashSet::new();
                mesh.heard.send(Heard::Complete { proxy, attempts })?;
            }
        }
    }
    Err(anyhow::anyhow!("the controller ended the session")).context("session")
}

/// What is new in a message, with the host that it is about.
fn news(key: &ResourceKey, content: Content) -> Option<(String, News)> {
    let Some(resource_key::Kind::Destination(key)) = &key.kind else { return None };
    let news = match content {
        Content::Destination(destination) => match destination.kind {
            Some(Kind::Service(route)) => News::Split(route.split?.generation),
            _ => return None,
        },
        Content::Endpoints(delta) => {
            let mut added = delta.backends.into_iter().flat_map(|backend| backend.upsert);
            News::Endpoint(added.next()?.address)
        }
        _ => return None,
    };
    Some((key.host.clone(), news))
}
