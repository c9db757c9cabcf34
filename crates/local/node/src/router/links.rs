//! The router's links, addresses and routes.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use futures::StreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::neighbour::NeighbourState;
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::cidr::Cidr;
use crate::net::{POD_LINK, ROUTER_MAC, link_name, netlink_error, pod_mac};
use crate::thread::NamespaceThread;

/// A netlink socket of the router's namespace.
#[derive(Debug)]
pub(super) struct Links {
    handle: Handle,
}

impl Links {
    pub(super) async fn open(thread: &NamespaceThread) -> io::Result<Self> {
        let (connection, handle, _) = thread.run(rtnetlink::new_connection).await??;
        tokio::spawn(connection);
        Ok(Links { handle })
    }

    /// The addresses go on `lo`. So does the route for ClusterIPs, so that a connection to one finds a way out of its socket; the NAT
    /// table then sends it elsewhere, or refuses it.
    pub(super) async fn set_up_loopback(&self, own: &[Ipv4Addr], services: Cidr, source: Ipv4Addr) -> io::Result<()> {
        let lo = self.index("lo").await?;
        let up = LinkUnspec::new_with_index(lo).up().build();
        self.handle.link().set(up).execute().await.map_err(netlink_error("lo up"))?;
        for address in own {
            let add = self.handle.address().add(lo, (*address).into(), 32);
            add.execute().await.map_err(netlink_error("router address"))?;
        }
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(services.first(), services.prefix())
            .output_interface(lo)
            .scope(RouteScope::Link)
            .pref_source(source);
        self.handle.route().add(route.build()).execute().await.map_err(netlink_error("service route"))
    }

    pub(super) async fn attach(&self, namespace: &File, pod: Ipv4Addr) -> io::Result<()> {
        let name = link_name(pod);
        // What an earlier pod with this address left, if the kernel hasn't cleaned up yet.
        self.detach(pod).await?;
        let peer =
            LinkUnspec::new_with_name(POD_LINK).address(pod_mac(pod).to_vec()).setns_by_fd(namespace.as_raw_fd());
        let pair = LinkMessageBuilder::<LinkVeth>::new(&name, POD_LINK)
            .address(ROUTER_MAC.to_vec())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
            .up();
        self.handle.link().add(pair.build()).execute().await.map_err(netlink_error("veth pair"))?;
        let index = self.index(&name).await?;
        let neighbour = self.handle.neighbours().add(index, pod.into()).link_layer_address(&pod_mac(pod));
        let neighbour = neighbour.state(NeighbourState::Permanent).replace();
        neighbour.execute().await.map_err(netlink_error("pod's neighbour entry"))?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(pod, 32)
            .output_interface(index)
            .scope(RouteScope::Link);
        self.handle.route().add(route.build()).replace().execute().await.map_err(netlink_error("pod route"))
    }

    pub(super) async fn detach(&self, pod: Ipv4Addr) -> io::Result<()> {
        match self.index(&link_name(pod)).await {
            Ok(index) => match self.handle.link().del(index).execute().await.map_err(netlink_error("delete link")) {
                Err(error) if is_gone(&error) => Ok(()),
                other => other,
            },
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn index(&self, name: &str) -> io::Result<u32> {
        let mut links = Box::pin(self.handle.link().get().match_name(name).execute());
        match links.next().await {
            Some(Ok(link)) => Ok(link.header.index),
            Some(Err(error)) => Err(netlink_error("find link")(error)),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no link {name}"))),
        }
    }
}

/// ENODEV comes without an `ErrorKind` of its own.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
