//! Pods and clients with mesh TLS: what meets through gateways.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use isthmus_core::id::SpiffeId;
use isthmus_identity::{ClientCerts, MeshTls, peer_id};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::{address, control::Script};

pub const TCP: &[u8] = b"isthmus-tcp";

/// A workload that sends back what it receives.
pub struct Pod {
    pub addr: SocketAddr,
    pub id: SpiffeId,
    callers: Arc<Mutex<Vec<SpiffeId>>>,
}

pub fn id(name: &str) -> SpiffeId {
    format!("spiffe://isthmus.local/ns/shop/sa/{name}").parse().unwrap()
}

impl Pod {
    pub async fn start(script: &Script, name: &str) -> Self {
        Self::start_as(script, &id(name)).await
    }

    /// One that shows this identity.
    pub async fn start_as(script: &Script, id: &SpiffeId) -> Self {
        let listener = TcpListener::bind((address(), 8080)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tls = script.tls(id.as_str()).server_config(&[TCP], ClientCerts::Required).unwrap();
        let callers: Arc<Mutex<Vec<SpiffeId>>> = Arc::default();
        let seen = Arc::clone(&callers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, seen) = (TlsAcceptor::from(Arc::clone(&tls)), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    seen.lock().unwrap().extend(stream.get_ref().1.peer_certificates().and_then(peer_id));
                    let (mut from, mut to) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    let _ = to.shutdown().await;
                });
            }
        });
        Self { addr, id: id.clone(), callers }
    }

    /// Who has called.
    pub fn callers(&self) -> Vec<SpiffeId> {
        self.callers.lock().unwrap().clone()
    }
}

/// Opens mesh TLS by way of a gateway.
pub async fn call(
    gateway: SocketAddr,
    name: &str,
    tls: &MeshTls,
    expected: &SpiffeId,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(gateway).await?;
    let config = tls.client_config(&[TCP], expected.clone()).unwrap();
    TlsConnector::from(config).connect(name.to_owned().try_into().unwrap(), stream).await
}

/// Sends this, and reads it back.
pub async fn echo(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(stream);
    let mut read = vec![0; bytes.len()];
    let write = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    tokio::try_join!(write, async { from.read_exact(&mut read).await.map(drop) })?;
    assert!(read == bytes, "other bytes than were sent");
    Ok(())
}
