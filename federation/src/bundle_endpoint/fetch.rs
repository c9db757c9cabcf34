//! Fetching a foreign bundle.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use isthmus_core::id::{SpiffeId, TrustDomain};
use isthmus_identity::{BadDocument, Document, MAX_DOCUMENT, MeshTls, Refused, SvidCell, TrustStore, crypto_provider};
use rustls::{ClientConfig, pki_types::ServerName, version::TLS13};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::EndpointUrl;

/// How long a fetch may take, from the name to the last byte.
const FETCH_TIME: Duration = Duration::from_secs(10);

/// How an endpoint proves that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// By a certificate of the public authorities for its host name.
    Web,
    /// By this SPIFFE ID; its trust domain's roots must be held already.
    Spiffe(SpiffeId),
}

/// Why there is no bundle. What is held stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It can't be reached.
    #[error("{url}: {source}")]
    Unreachable {
        /// The endpoint.
        url: EndpointUrl,
        /// What the system says.
        source: io::Error,
    },
    /// It isn't who it should be, or TLS failed otherwise.
    #[error("{url}: TLS: {fault}")]
    Tls {
        /// The endpoint.
        url: EndpointUrl,
        /// What is wrong.
        fault: String,
    },
    /// HTTP failed.
    #[error("{url}: HTTP: {source}")]
    Http {
        /// The endpoint.
        url: EndpointUrl,
        /// What is wrong.
        source: hyper::Error,
    },
    /// It answers otherwise than with 200. Redirects aren't followed: they would lead to who wasn't named.
    #[error("{url} answers {status}; only 200 will do, and redirects aren't followed")]
    Status {
        /// The endpoint.
        url: EndpointUrl,
        /// Its answer.
        status: StatusCode,
    },
    /// The answer is longer than a document may be.
    #[error("{url}: the answer is longer than {MAX_DOCUMENT} bytes")]
    TooLong {
        /// The endpoint.
        url: EndpointUrl,
    },
    /// It took too long.
    #[error("{url}: no answer within {limit:?}")]
    Timeout {
        /// The endpoint.
        url: EndpointUrl,
        /// How long it was waited for.
        limit: Duration,
    },
    /// What it says is no bundle.
    #[error("{url}: {source}")]
    Document {
        /// The endpoint.
        url: EndpointUrl,
        /// What is wrong with it.
        source: BadDocument,
    },
}

/// Fetches bundles.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// By whose roots endpoints of the profile `https_spiffe` are verified.
    trusted: Arc<TrustStore>,
}

impl Fetcher {
    /// `trusted` holds the roots of the domains whose endpoints prove themselves by SPIFFE ID.
    pub fn new(trusted: Arc<TrustStore>) -> Self {
        Self { trusted }
    }

    /// The bundle of `domain` as the endpoint publishes it now.
    pub async fn fetch(
        &self,
        url: &EndpointUrl,
        profile: &Profile,
        domain: TrustDomain,
    ) -> Result<Document, FetchError> {
        self.fetch_within(FETCH_TIME, url, profile, domain).await
    }

    pub(super) async fn fetch_within(
        &self,
        limit: Duration,
        url: &EndpointUrl,
        profile: &Profile,
        domain: TrustDomain,
    ) -> Result<Document, FetchError> {
        let config = match profile {
            Profile::Spiffe(id) => {
                // Without a certificate of its own: a bundle is for everybody.
                let anonymous = MeshTls::new(Arc::clone(&self.trusted), Arc::new(SvidCell::new()));
                anonymous.client_config(&[b"http/1.1"], id.clone())
            }
            Profile::Web => public_authorities(),
        };
        let config = config.map_err(|error| FetchError::Tls { url: url.clone(), fault: error.to_string() })?;
        let fetched = tokio::time::timeout(limit, get(url, config)).await;
        let body = fetched.unwrap_or_else(|_| Err(FetchError::Timeout { url: url.clone(), limit }))?;
        Document::read(domain, &body).map_err(|source| FetchError::Document { url: url.clone(), source })
    }
}

fn public_authorities() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

pub(super) async fn get(url: &EndpointUrl, config: Arc<ClientConfig>) -> Result<Bytes, FetchError> {
    let unreachable = |source| FetchError::Unreachable { url: url.clone(), source };
    let tls = |fault: String| FetchError::Tls { url: url.clone(), fault };
    let http = |source| FetchError::Http { url: url.clone(), source };
    let stream = TcpStream::connect((url.host(), url.port())).await.map_err(unreachable)?;
    let name = ServerName::try_from(url.host().to_owned()).map_err(|error| tls(error.to_string()))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| tls(Refused::words(&error)))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let request = Request::get(url.path())
        .header(header::HOST, url.authority())
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| tls(error.to_string()))?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(http)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status { url: url.clone(), status: answer.status() });
        }
        match Limited::new(answer.into_body(), MAX_DOCUMENT).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLong { url: url.clone() }),
            Err(error) => Err(unreachable(io::Error::other(error))),
        }
    };
    let driving = async {
        // It ends with the exchange, or by an error that the exchange tells too.
        drop(connection.await);
        std::future::pending().await
    };
    tokio::select! {
        answer = exchange => answer,
        never = driving => never,
    }
}
