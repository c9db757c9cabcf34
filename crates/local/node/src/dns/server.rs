//! The sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};

use super::answer::{Transport, answer};
use super::zone::Zone;
use crate::router::Router;

const PORT: u16 = 53;
/// The longest question over UDP; a longer datagram is cut, and then can't be read.
const LONGEST_DATAGRAM: usize = 4096;
/// TCP connections at a time; more wait in the listener's queue.
const MOST_CONNECTIONS: usize = 256;
/// A TCP client that says nothing for so long is dropped.
const IDLE: Duration = Duration::from_secs(10);

/// Binds the server's sockets in the router, and answers until dropped.
pub(crate) async fn serve(
    router: &Router,
    zone: watch::Receiver<Arc<Zone>>,
) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let address = SocketAddr::new(router.config().dns_ip.into(), PORT);
    let datagrams = router.udp_bind(address).await?;
    let listener = router.tcp_listen(address).await?;
    Ok(async move {
        tokio::join!(udp(datagrams, zone.clone()), tcp(listener, zone));
    })
}

async fn udp(socket: UdpSocket, zone: watch::Receiver<Arc<Zone>>) {
    let mut buffer = vec![0; LONGEST_DATAGRAM];
    loop {
        // An error here is about an earlier answer that couldn't be delivered.
        let Ok((len, from)) = socket.recv_from(&mut buffer).await else { continue };
        let zone = Arc::clone(&zone.borrow());
        if let Some(reply) = buffer.get(..len).and_then(|question| answer(&zone, question, Transport::Udp)) {
            let _client_gone = socket.send_to(&reply, from).await;
        }
    }
}

async fn tcp(listener: TcpListener, zone: watch::Receiver<Arc<Zone>>) {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let zone = zone.clone();
        tokio::spawn(async move {
            let _client_gone = conversation(stream, zone).await;
            drop(slot);
        });
    }
}

async fn conversation(mut stream: TcpStream, zone: watch::Receiver<Arc<Zone>>) -> io::Result<()> {
    loop {
        let read = async {
            let len = stream.read_u16().await?;
            let mut question = vec![0; usize::from(len)];
            stream.read_exact(&mut question).await?;
            io::Result::Ok(question)
        };
        let question = tokio::time::timeout(IDLE, read).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let zone = Arc::clone(&zone.borrow());
        let Some(reply) = answer(&zone, &question, Transport::Tcp) else { return Ok(()) };
        stream.write_u16(u16::try_from(reply.len()).map_err(io::Error::other)?).await?;
        stream.write_all(&reply).await?;
    }
}
