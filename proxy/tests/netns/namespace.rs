//! Network namespaces, one thread each.

use std::{
    fs,
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd,
    sync::mpsc,
    thread,
};

use futures::StreamExt;
use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid},
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder, packet_route::address::AddressHeaderFlags};

/// Root stays root; anybody else becomes root of a user namespace of their own.
pub fn become_root() -> Result<(), String> {
    let (uid, gid) = (Uid::current(), Gid::current());
    if uid.is_root() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| format!("no user namespace: {error}"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(|error| error.to_string())?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(|error| error.to_string())?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(|error| error.to_string())
}

/// Runs a case on a thread with a namespace of its own; false if it panicked.
pub fn in_new(case: fn()) -> bool {
    let body = move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        netlink(async |handle| link_up(&handle, "lo").await);
        case();
    };
    thread::spawn(body).join().is_ok()
}

/// Runs to completion on a runtime whose threads stay in this namespace.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn netlink<T>(requests: impl AsyncFnOnce(Handle) -> T) -> T {
    block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        let driver = tokio::spawn(connection);
        let out = requests(handle).await;
        driver.abort();
        out
    })
}

async fn link_up(handle: &Handle, name: &str) {
    handle.link().set(LinkUnspec::new_with_name(name).up().build()).execute().await.unwrap();
}

async fn index_of(handle: &Handle, name: &str) -> u32 {
    let mut links = std::pin::pin!(handle.link().get().match_name(name).execute());
    links.next().await.unwrap().unwrap().header.index
}

/// Gives a link addresses, and sends everything there.
fn addresses(link: &str, addresses: &[IpAddr]) {
    netlink(async |handle| {
        let index = index_of(&handle, link).await;
        for address in addresses {
            let prefix = if address.is_ipv4() { 24 } else { 64 };
            let mut request = handle.address().add(index, *address, prefix);
            // Duplicate address detection would keep the address unusable for a second.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            request.execute().await.unwrap();
            let v4 = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index).build();
            let v6 = RouteMessageBuilder::<Ipv6Addr>::new().output_interface(index).build();
            handle.route().add(if address.is_ipv4() { v4 } else { v6 }).execute().await.unwrap();
        }
    });
}

/// A second namespace, joined to this one by a veth pair; each sends everything there. Runs `there` on a thread inside it.
pub fn neighbour(here: [IpAddr; 2], far: [IpAddr; 2], there: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    let mine = fs::File::open("/proc/thread-self/ns/net").unwrap();
    let (ready, go) = (mpsc::channel(), mpsc::channel());
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        netlink(async |handle| {
            link_up(&handle, "lo").await;
            handle.link().add(LinkVeth::new("outside", "inside").build()).execute().await.unwrap();
            let moved = LinkUnspec::new_with_name("inside").setns_by_fd(mine.as_raw_fd()).build();
            handle.link().set(moved).execute().await.unwrap();
            link_up(&handle, "outside").await;
        });
        addresses("outside", &far);
        ready.0.send(()).unwrap();
        go.1.recv().unwrap();
        there();
    });
    ready.1.recv().unwrap();
    netlink(async |handle| link_up(&handle, "inside").await);
    addresses("inside", &here);
    go.0.send(()).unwrap();
    thread
}
