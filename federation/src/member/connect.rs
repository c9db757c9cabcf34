//! Connections to the hub.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use isthmus_identity::{Refused, crypto_provider};
use isthmus_runtime::{dangerous::AnybodyWillDo, error_text::causes};
use rustls::{ClientConfig, pki_types::ServerName, version::TLS13};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// Time to connect, handshakes included.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Time to connect to one address of several.
const DIAL_TIME: Duration = Duration::from_secs(5);
/// A connection without traffic is asked for a sign of life after this…
const KEEPALIVE: Duration = Duration::from_secs(10);
/// …and given up after this.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(10);

pub(super) const ALPN: &[&[u8]] = &[b"h2"];

/// A connection to the first of these addresses (`host:port`) that answers.
pub(crate) async fn channel(
    addresses: &[Arc<str>],
    config: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let addresses: Arc<[Arc<str>]> = addresses.into();
    Endpoint::from_static("http://isthmus-hub")
        .connect_timeout(CONNECT_TIME)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_LIMIT)
        .keep_alive_while_idle(true)
        .connect_with_connector(service_fn(move |_: Uri| {
            let (addresses, config) = (Arc::clone(&addresses), Arc::clone(&config));
            async move { dial(&addresses, &config).await.map(TokioIo::new) }
        }))
        .await
}

async fn dial(addresses: &[Arc<str>], config: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the hub's name has no address");
    for address in addresses {
        match dial_name(address, config).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(last)
}

async fn dial_name(address: &str, config: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in tokio::net::lookup_host(address).await? {
        let handshake = async {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            let connector = TlsConnector::from(Arc::clone(config));
            let connected = connector.connect(name.clone(), stream).await;
            connected.map_err(|error| io::Error::new(error.kind(), Refused::words(&error)))
        };
        match tokio::time::timeout(DIAL_TIME, handshake).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {DIAL_TIME:?}")),
        }
    }
    Err(last)
}

/// What ended a call, with the causes that tonic's own text leaves out.
pub(super) fn words(status: &tonic::Status) -> String {
    format!("{}{}", status.message(), causes(status))
}

/// For asking whoever answers for the bundles of the hub's mesh. The one who answers is unknown, and stays so: nothing is
/// told to it, and what it says counts for nothing but by its digest or its signatures.
pub(super) fn stranger() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(AnybodyWillDo::new(crypto_provider()))
        .with_no_client_auth();
    config.alpn_protocols = ALPN.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}
