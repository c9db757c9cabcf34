//! The router: the network namespace in which a cluster's pods meet. Nothing is added to the host's own.

mod joins;
mod links;
mod relay;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use isthmus_netfilter::ServicePort;
use nix::sched::{CloneFlags, unshare};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use crate::cidr::Cidr;
use crate::thread::NamespaceThread;
pub use joins::{BadFault, LinkFault};

/// Addresses of a [`Router`].
#[derive(Clone, Copy, Debug)]
pub struct RouterConfig {
    /// The range of pod addresses; the router, which is also the node, has the one after the first: 10.42.0.1 of 10.42.0.0/16.
    pub pod_cidr: Cidr,
    /// The range of ClusterIPs.
    pub service_cidr: Cidr,
    /// The range of LoadBalancer Services' addresses: all that clusters joined with this one reach of it. Different in each of them.
    pub balancer_cidr: Cidr,
    /// The cluster DNS server's address; the router holds it too.
    pub dns_ip: Ipv4Addr,
}

/// A router namespace and the thread that lives in it. Dropping it takes the namespace away once no pod holds it.
#[derive(Debug)]
pub struct Router {
    name: String,
    config: RouterConfig,
    address: Ipv4Addr,
    thread: NamespaceThread,
    links: links::Links,
    joins: joins::Joins,
}

impl Router {
    /// Makes the namespace, with forwarding on and its addresses on `lo`. Needs CAP_SYS_ADMIN in the process's user namespace. The name
    /// is the cluster's, for those that it is joined with.
    ///
    /// # Errors
    /// The system's, with the step that failed in the text.
    pub async fn create(name: &str, config: RouterConfig) -> io::Result<Self> {
        let address =
            config.pod_cidr.nth(1).ok_or_else(|| io::Error::other("the pod range has no address for the router"))?;
        let thread = NamespaceThread::start("router", || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| context("new network namespace", error.into()))?;
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(|error| context("net.ipv4.ip_forward", error))
        })
        .await?;
        let links = links::Links::open(&thread).await?;
        let services = [config.service_cidr, config.balancer_cidr];
        links.set_up_loopback(&[address, config.dns_ip], &services, address).await?;
        Ok(Router { name: name.to_owned(), config, address, thread, links, joins: joins::Joins::default() })
    }

    /// The router's own address, which is also the node's.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The addresses that it was made with.
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// Listens for TCP inside.
    ///
    /// # Errors
    /// The system's; the address must be the router's own or unspecified.
    pub async fn tcp_listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let listener = self.thread.run(move || std::net::TcpListener::bind(address)).await??;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    /// Binds a UDP socket inside.
    ///
    /// # Errors
    /// As [`Router::tcp_listen`].
    pub async fn udp_bind(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.thread.run(move || std::net::UdpSocket::bind(address)).await??;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    }

    /// Connects from inside: to pods, to Services' addresses, to the router itself. The caller sets the deadline; the kernel's own is minutes.
    ///
    /// # Errors
    /// The system's.
    pub async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.socket(address).await?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// An unconnected TCP socket inside, for callers that connect by themselves.
    ///
    /// # Errors
    /// The system's.
    pub async fn socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        self.thread.run(move || if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }).await?
    }

    /// Replaces the endpoints of Services' addresses, all at once. Addresses of their ranges without an entry refuse connections.
    pub(crate) async fn set_services(&self, ports: Vec<ServicePort>) -> io::Result<()> {
        let ranges = [self.config.service_cidr, self.config.balancer_cidr].map(Into::into);
        let apply = move || isthmus_netfilter::services(&ports, &ranges).apply();
        self.thread.run(apply).await?.map_err(io::Error::other)
    }

    /// Joins a pod's network namespace to this one by a pair of links, and routes the pod's address to it.
    pub(crate) async fn attach(&self, namespace: &fs::File, pod: Ipv4Addr) -> io::Result<()> {
        self.links.attach(namespace, pod).await
    }

    /// Takes a pod's link away. The kernel does it too, a moment after the pod's last process ended.
    pub(crate) async fn detach(&self, pod: Ipv4Addr) -> io::Result<()> {
        self.links.detach(pod).await
    }

    /// As [`Router::dial`], with a deadline.
    pub(crate) async fn dial_within(&self, address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
        match tokio::time::timeout(limit, self.dial(address)).await {
            Ok(result) => result,
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection to {address} within {limit:?}")))
            }
        }
    }
}

/// The same kind of error, saying what was being done.
pub(crate) fn context(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
