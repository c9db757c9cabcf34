//! Following the other replicas: which there are, and what each reports.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper_util::rt::TokioIo;
use isthmus_api::{
    MAX_MESSAGE_BYTES,
    replica::v1::{FollowRequest, replicas_client::ReplicasClient},
};
use isthmus_core::id::SpiffeId;
use isthmus_identity::{MeshTls, Refused};
use isthmus_runtime::{
    backoff::{Backoff, jitter},
    error_text::with_causes,
};
use prometheus::IntGaugeVec;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, task::JoinHandle, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{
    Status,
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;

use super::{living::is_gone, wire::Reading};
use crate::serve::{Hub, Replica};

/// How often it is looked at which replicas there are.
pub(super) const PERIOD: Duration = Duration::from_millis(250);
/// Pauses between attempts to follow one.
pub(super) const RETRY: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(2) };
/// Time to connect, handshake included.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A connection without traffic is asked for a sign of life after this…
const KEEPALIVE: Duration = Duration::from_secs(5);
/// …and given up after this.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(5);

/// What following is made of.
pub(crate) struct Parts {
    pub(crate) hub: Arc<Hub>,
    /// The controller's own certificate, and this mesh's roots.
    pub(crate) tls: MeshTls,
    /// Its identity, which all replicas have.
    pub(crate) identity: SpiffeId,
    /// This replica's pod.
    pub(crate) replica: String,
    /// Where replicas are served.
    pub(crate) port: u16,
    /// Replicas by `state`.
    pub(crate) count: IntGaugeVec,
}

/// A replica that is followed.
struct Followed {
    address: IpAddr,
    /// Since when it isn't heard.
    unheard: Option<Instant>,
    _task: AbortOnDropHandle<()>,
}

/// Until `stop`.
pub(crate) async fn follow_others(parts: Arc<Parts>, stop: CancellationToken) {
    let work = async {
        parts.hub.with(|registry| registry.set_replica(&parts.replica));
        parts.hub.synced().await;
        let mut followed = BTreeMap::new();
        loop {
            look(&parts, &mut followed);
            tokio::time::sleep(PERIOD).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

fn look(parts: &Arc<Parts>, followed: &mut BTreeMap<Arc<str>, Followed>) {
    let (replicas, now) = (parts.hub.with(|registry| registry.replicas()), Instant::now());
    followed.retain(|name, other| replicas.get(name).is_some_and(|replica| replica.address == other.address));
    for (name, Replica { address, heard, ready }) in &replicas {
        let other = followed.entry(name.clone()).or_insert_with(|| Followed {
            address: *address,
            unheard: None,
            _task: AbortOnDropHandle::new(start(parts.clone(), name.clone(), SocketAddr::new(*address, parts.port))),
        });
        other.unheard = (!heard).then(|| other.unheard.unwrap_or(now));
        if other.unheard.is_some_and(|since| is_gone(now - since, *ready)) {
            parts.hub.with(|registry| registry.give_up(name));
        }
    }
    let heard = replicas.values().filter(|replica| replica.heard).count();
    for (state, count) in [("heard", heard), ("unheard", replicas.len() - heard)] {
        parts.count.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Follows one for as long as there is one.
fn start(parts: Arc<Parts>, name: Arc<str>, addr: SocketAddr) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (mut attempt, mut told) = (0, String::new());
        loop {
            let (heard, end) = follow(&parts, &name, addr).await;
            parts.hub.with(|registry| registry.unheard(&name));
            attempt = if heard { 0 } else { u32::saturating_add(attempt, 1) };
            // The same failure is told once.
            if heard || told != end {
                tracing::info!(replica = %name, %addr, error = end, "another replica isn't heard: trying again");
            }
            told = end;
            tokio::time::sleep(RETRY.delay(attempt, jitter())).await;
        }
    })
}

/// Whether it was heard, and why no more.
pub(super) async fn follow(parts: &Parts, name: &str, addr: SocketAddr) -> (bool, String) {
    let mut heard = false;
    let stream = async {
        let channel = connect(parts, addr).await.map_err(|error| with_causes(&error))?;
        let mut client = ReplicasClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = FollowRequest { replica: parts.replica.clone() };
        let mut reports = client.follow(request).await.map_err(|status| words(&status))?.into_inner();
        let mut reading = Reading::default();
        while let Some(message) = reports.message().await.map_err(|status| words(&status))? {
            if let Some(report) = reading.take(message).map_err(|error| error.to_string())? {
                if !heard {
                    tracing::info!(replica = name, %addr, "another replica is heard");
                }
                heard = true;
                parts.hub.with(|registry| registry.hear(name, report));
            }
        }
        Ok::<(), String>(())
    };
    let end = stream.await.err().unwrap_or_else(|| "it has ended".to_owned());
    (heard, end)
}

pub(super) async fn connect(parts: &Parts, addr: SocketAddr) -> Result<Channel, tonic::transport::Error> {
    let config = parts.tls.client_config(&[b"h2"], parts.identity.clone());
    Endpoint::from_static("http://isthmus-controller")
        .connect_timeout(CONNECT_TIME)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_LIMIT)
        .keep_alive_while_idle(true)
        .connect_with_connector(service_fn(move |_: Uri| {
            let config = config.clone();
            async move {
                let config = config.map_err(io::Error::other)?;
                dial(addr, TlsConnector::from(config)).await.map(TokioIo::new)
            }
        }))
        .await
}

async fn dial(addr: SocketAddr, connector: TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let handshake = connector.connect(ServerName::IpAddress(addr.ip().into()), stream).await;
    handshake.map_err(|error| io::Error::new(error.kind(), Refused::words(&error)))
}

pub(super) fn words(status: &Status) -> String {
    format!("{}: {}", status.code(), status.message())
}
