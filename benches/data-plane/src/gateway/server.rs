//! The application behind the relays: it passes over the ClientHello, and then does what the bytes ask for.

use std::net::Ipv4Addr;

use anyhow::ensure;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::APP_PORT;
use crate::{
    echo::{self, tcp},
    namespace::{Namespace, Thread},
};

/// The application in a namespace. It ends when this value is dropped.
pub(super) struct Server {
    _stop: oneshot::Sender<()>,
    thread: Thread<()>,
}

impl Server {
    pub(super) fn start(namespace: &Namespace) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, ready) = std::sync::mpsc::sync_channel(1);
        let thread = namespace.spawn("server", move || async move {
            echo::spawn(TcpListener::bind((Ipv4Addr::UNSPECIFIED, APP_PORT)).await?, serve);
            let _ = bound.send(());
            let _ = stopped.await;
            Ok(())
        })?;
        if ready.recv().is_err() {
            thread.join()?;
            anyhow::bail!("the server ended before it served");
        }
        Ok(Self { _stop: stop, thread })
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.thread.has_ended(), "the server has ended");
        Ok(())
    }
}

async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut record = [0; 5];
    stream.read_exact(&mut record).await?;
    let [kind, _, _, high, low] = record;
    ensure!(kind == 22, "no TLS handshake record");
    let length = u64::from(u16::from_be_bytes([high, low]));
    let mut hello = (&mut stream).take(length);
    tokio::io::copy(&mut hello, &mut tokio::io::sink()).await?;
    tcp::serve(stream).await
}
