//! A pod's side of its network: one link, one address, everything else behind a gateway that exists only as a neighbour entry.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;

use futures::StreamExt;
use nix::errno::Errno;
use rtnetlink::packet_route::neighbour::NeighbourState;
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};

use crate::router::{Router, context};
use crate::thread::NamespaceThread;

/// The pod's link.
pub(crate) const POD_LINK: &str = "eth0";
/// The router's end of every link.
pub(crate) const ROUTER_MAC: [u8; 6] = [0xee; 6];
/// The next hop of a pod's default route; no interface has this address.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The router's end of a pod's link: `pod` and the address in hexadecimal, within the kernel's 15 characters.
pub(crate) fn link_name(pod: Ipv4Addr) -> String {
    format!("pod{:08x}", pod.to_bits())
}

/// A locally administered address made from the pod's own.
pub(crate) fn pod_mac(pod: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = pod.octets();
    [0x0e, 0, a, b, c, d]
}

/// Joins the namespace of the pod's thread to the router.
pub(crate) async fn connect_pod(pod: &NamespaceThread, router: &Router, address: Ipv4Addr) -> io::Result<()> {
    let namespace = pod.run(|| File::open("/proc/thread-self/ns/net")).await??;
    router.attach(&namespace, address).await?;
    let (connection, handle, _) = pod.run(rtnetlink::new_connection).await??;
    let driver = tokio::spawn(connection);
    let result = set_up(&handle, address).await;
    driver.abort();
    result?;
    // As container runtimes do: an unprivileged user may listen on port 80 of the pod.
    let open = || std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    pod.run(open).await?.map_err(|error| context("net.ipv4.ip_unprivileged_port_start", error))
}

async fn set_up(handle: &Handle, address: Ipv4Addr) -> io::Result<()> {
    for name in ["lo", POD_LINK] {
        let up = LinkUnspec::new_with_name(name).up().build();
        handle.link().set(up).execute().await.map_err(netlink_error("link up"))?;
    }
    let mut links = Box::pin(handle.link().get().match_name(POD_LINK).execute());
    let link = links.next().await.ok_or_else(|| io::Error::other("the pod's link has vanished"))?;
    let index = link.map_err(netlink_error("find the pod's link"))?.header.index;
    handle.address().add(index, address.into(), 32).execute().await.map_err(netlink_error("pod address"))?;
    let neighbour = handle.neighbours().add(index, GATEWAY.into()).link_layer_address(&ROUTER_MAC);
    neighbour.state(NeighbourState::Permanent).execute().await.map_err(netlink_error("gateway's neighbour entry"))?;
    let gateway = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(GATEWAY, 32)
        .output_interface(index)
        .scope(RouteScope::Link);
    handle.route().add(gateway.build()).execute().await.map_err(netlink_error("gateway route"))?;
    let default = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index).gateway(GATEWAY);
    handle.route().add(default.build()).execute().await.map_err(netlink_error("default route"))
}

/// A netlink error as the errno that it carries.
pub(crate) fn netlink_error(what: &'static str) -> impl FnOnce(rtnetlink::Error) -> io::Error {
    move |error| match error {
        rtnetlink::Error::NetlinkError(message) => {
            let errno = message.code.map_or(0, |code| code.get().saturating_neg());
            let source = io::Error::from_raw_os_error(errno);
            let gone = [Errno::ENODEV as i32, Errno::ENXIO as i32].contains(&errno);
            let kind = if gone { io::ErrorKind::NotFound } else { source.kind() };
            io::Error::new(kind, format!("{what}: {source}"))
        }
        other => io::Error::other(format!("{what}: {other}")),
    }
}
