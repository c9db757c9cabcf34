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

use super::joins::End;
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

    /// The addresses go on `lo`. So do the routes for Services' addresses, so that a connection to one finds a way out of its socket; the
    /// NAT table then sends it elsewhere, or refuses it.
    pub(super) async fn set_up_loopback(
        &self,
        own: &[Ipv4Addr],
        services: &[Cidr],
        source: Ipv4Addr,
    ) -> io::Result<()> {
        let lo = self.index("lo").await?;
        let up = LinkUnspec::new_with_index(lo).up().build();
        self.handle.link().set(up).execute().await.map_err(netlink_error("lo up"))?;
        for address in own {
            let add = self.handle.address().add(lo, (*address).into(), 32);
            add.execute().await.map_err(netlink_error("router address"))?;
        }
        for range in services {
            let route = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(range.first(), range.prefix())
                .output_interface(lo)
                .scope(RouteScope::Link)
                .pref_source(source);
            self.handle.route().add(route.build()).execute().await.map_err(netlink_error("service route"))?;
        }
        Ok(())
    }

    /// Makes the pair of links between this router and the one of that namespace.
    pub(super) async fn pair(&self, here: &End, there: &End, namespace: &File) -> io::Result<()> {
        let peer = LinkUnspec::new_with_name(&there.link).address(there.mac().to_vec());
        let peer = peer.setns_by_fd(namespace.as_raw_fd());
        let pair = LinkMessageBuilder::<LinkVeth>::new(&here.link, &there.link)
            .address(here.mac().to_vec())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
        self.handle.link().add(pair.build()).execute().await.map_err(netlink_error("veth pair between routers"))
    }

    /// Gives this router's end its address, and routes the other's range by it.
    pub(super) async fn connect(&self, here: &End, there: &End, range: Cidr) -> io::Result<()> {
        let index = self.index(&here.link).await?;
        let up = LinkUnspec::new_with_index(index).up().build();
        self.handle.link().set(up).execute().await.map_err(netlink_error("transit link up"))?;
        let address = self.handle.address().add(index, here.address.into(), 32);
        address.execute().await.map_err(netlink_error("transit address"))?;
        let neighbour = self.handle.neighbours().add(index, there.address.into()).link_layer_address(&there.mac());
        let neighbour = neighbour.state(NeighbourState::Permanent);
        neighbour.execute().await.map_err(netlink_error("other router's neighbour entry"))?;
        let router = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(there.address, 32)
            .output_interface(index)
            .scope(RouteScope::Link);
        self.handle.route().add(router.build()).execute().await.map_err(netlink_error("route to the other router"))?;
        self.route(index, there.address, range).await
    }

    /// Sends a range to another router.
    pub(super) async fn route(&self, link: u32, gateway: Ipv4Addr, range: Cidr) -> io::Result<()> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(range.first(), range.prefix())
            .output_interface(link)
            .gateway(gateway);
        self.handle.route().add(route.build()).execute().await.map_err(netlink_error("route by the other router"))
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

    pub(super) async fn index(&self, name: &str) -> io::Result<u32> {
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
