//! Dialling the controller: TCP past the redirect, then TLS to exactly its identity.

use std::{io, sync::Arc};

use hyper_util::rt::TokioIo;
use isthmus_identity::Refused;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::Link;
use crate::{
    endpoint::dial_tcp,
    limits::{CONNECT_TIME, CONTROL_KEEPALIVE, CONTROL_KEEPALIVE_ANSWER},
};

/// A connection to the controller, in the workload's name if it has one by now.
pub(super) async fn channel(link: &Arc<Link>) -> Result<Channel, tonic::transport::Error> {
    let link = Arc::clone(link);
    Endpoint::from_static("http://isthmus-controller")
        .connect_timeout(CONNECT_TIME)
        .http2_keep_alive_interval(CONTROL_KEEPALIVE)
        .keep_alive_timeout(CONTROL_KEEPALIVE_ANSWER)
        .keep_alive_while_idle(true)
        .connect_with_connector(service_fn(move |_: Uri| {
            let link = Arc::clone(&link);
            async move { dial(&link).await.map(TokioIo::new) }
        }))
        .await
}

async fn dial(link: &Link) -> io::Result<TlsStream<TcpStream>> {
    let addr = &link.config.control_addr;
    let host = addr.rsplit_once(':').map_or(addr.as_str(), |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let config = link
        .tls
        .client_config(&[b"h2"], link.config.controller_id.clone())
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the controller's name has no address");
    for addr in tokio::net::lookup_host(addr).await? {
        match dial_tcp(addr, link.config.socket_mark).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                let handshake = TlsConnector::from(config).connect(name, stream).await;
                return handshake.map_err(|error| io::Error::new(error.kind(), Refused::words(&error)));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
