//! Connections to the hub.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use isthmus_identity::{Refused, crypto_provider};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
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
pub(super) async fn channel(
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

/// An error with its causes, which tonic's own text leaves out.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What ended a call, with the causes that tonic's own text leaves out.
pub(super) fn words(status: &tonic::Status) -> String {
    let causes = std::iter::successors(std::error::Error::source(status), |e| e.source());
    let causes: String = causes.map(|cause| format!(": {cause}")).collect();
    format!("{}{causes}", status.message())
}

/// For asking whoever answers for the bundles of the hub's mesh. The one who answers is unknown, and stays so: nothing is
/// told to it, and what it says counts for nothing but by its digest or its signatures.
pub(super) fn stranger() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified))
        .with_no_client_auth();
    config.alpn_protocols = ALPN.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &crypto_provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &crypto_provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto_provider().signature_verification_algorithms.supported_schemes()
    }
}
