//! The kubelet: logs, exec, attach and port-forward are its, and the API server only passes them on.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request, Response};
use isthmus_local_machinery::status::ApiError;

use crate::callout::Callout;
use crate::forward::{Body, BoxError, forward};
use crate::tls::{ClientCertificate, Trust, client_config};

/// A node's kubelet.
#[derive(Clone, Debug)]
pub struct Kubelet {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The name (or address) that its certificate must have.
    pub server_name: String,
    /// PEM roots that its certificate must be under.
    pub bundle: String,
    /// Who the API server is to it.
    pub identity: ClientCertificate,
}

impl Callout {
    /// Passes a request on to a kubelet: `request`'s URI is the kubelet's path and query (`/containerLogs/…`). The answer
    /// streams; after a `101`, bytes pass both ways (WebSocket and SPDY alike).
    ///
    /// # Errors
    /// 500 `error dialing backend: …` when the kubelet can't be reached or is not whom it should be.
    pub async fn kubelet<B>(&self, kubelet: &Kubelet, mut request: Request<B>) -> Result<Response<Body>, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let failed = |why: String| ApiError::internal(&format!("error dialing backend: {why}"));
        let trust = Trust::Bundle(kubelet.bundle.as_bytes());
        let config = client_config(&trust, Some(&kubelet.identity)).map_err(|error| failed(error.to_string()))?;
        let sender = self.connect(kubelet.addr, &kubelet.server_name, config).await.map_err(failed)?;
        let host = HeaderValue::from_str(&kubelet.addr.to_string()).map_err(|error| failed(error.to_string()))?;
        request.headers_mut().insert(HOST, host);
        // The user's credentials are for the API server; the kubelet is shown the API server's own.
        request.headers_mut().remove(AUTHORIZATION);
        forward(sender, request, self.limits.head).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests;
