//! DNS, TCP, TLS, identity.
//!
//! No certificate is shown. In TLS 1.3 the other end proves who it is before it asks for ours: what is to be seen is seen, and then
//! it hangs up on us. So this needs no credentials, and can't do anything with the connection.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use isthmus_core::id::SpiffeId;
use isthmus_identity::{Document, ExpectedPeer, MeshTls, Refused, SvidCell, TrustStore, peer_id};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Dial, Kind, Seen};

/// How long each step may take.
const STEP: Duration = Duration::from_secs(5);

/// Takes the steps in order, up to the first that fails. Errors are of the question itself.
pub(super) async fn look(dial: &Dial) -> anyhow::Result<Seen> {
    let (tls, expected) = trust(dial)?;
    let config = tls.client_config(&[dial.alpn.as_bytes()], expected)?;
    let name = ServerName::try_from(dial.server_name.clone())?;
    let mut seen = Seen::default();
    let addresses: Vec<SocketAddr> = match timely(tokio::net::lookup_host(&dial.address)).await {
        Ok(found) => found.collect(),
        Err(error) => return Ok(seen.bad(Kind::Dns, error.to_string())),
    };
    if addresses.is_empty() {
        return Ok(seen.bad(Kind::Dns, "the name has no address"));
    }
    seen.good(Kind::Dns, list(&addresses));
    let stream = match connect(&addresses).await {
        Ok(stream) => stream,
        Err(error) => return Ok(seen.bad(Kind::Tcp, error.to_string())),
    };
    seen.good(Kind::Tcp, stream.peer_addr().map_or_else(|_| dial.address.clone(), |addr| addr.to_string()));
    match timely(TlsConnector::from(config).connect(name, stream)).await {
        Ok(stream) => {
            seen.good(Kind::Tls, "TLS 1.3");
            let shown = stream.get_ref().1.peer_certificates().and_then(peer_id);
            seen.good(Kind::Identity, shown.map_or_else(String::new, |id| id.to_string()));
            Ok(seen)
        }
        Err(error) if Refused::of_io(&error).is_some() => {
            seen.good(Kind::Tls, "TLS 1.3");
            Ok(seen.bad(Kind::Identity, Refused::words(&error)))
        }
        Err(error) => Ok(seen.bad(Kind::Tls, error.to_string())),
    }
}

fn trust(dial: &Dial) -> anyhow::Result<(MeshTls, ExpectedPeer)> {
    let identities = dial.identities.iter().map(|id| id.parse()).collect::<Result<Vec<SpiffeId>, _>>()?;
    let domain = identities.first().map(|id| id.trust_domain().clone());
    let domain = domain.ok_or_else(|| anyhow::anyhow!("no identity to expect"))?;
    let bundle = Document::read(domain, dial.bundle.as_bytes())?.bundle;
    let tls = MeshTls::new(Arc::new(TrustStore::with(&[bundle])?), Arc::new(SvidCell::default()));
    Ok((tls, ExpectedPeer::AnyOf(identities.into())))
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timely(TcpStream::connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(last)
}

async fn timely<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {} s", STEP.as_secs()));
    tokio::time::timeout(STEP, step).await.unwrap_or_else(|_| Err(late()))
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
}
