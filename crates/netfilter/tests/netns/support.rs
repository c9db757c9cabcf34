//! Namespaces, addresses and small servers for the cases.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};

/// Root stays root; anybody else becomes root of a user namespace of their own.
pub(crate) fn become_root() -> Result<(), String> {
    let (uid, gid) = (Uid::current(), Gid::current());
    if uid.is_root() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| format!("no user namespace: {error}"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(|error| error.to_string())?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(|error| error.to_string())?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(|error| error.to_string())
}

/// Runs the case on a thread with a network namespace of its own; false if it panicked.
pub(crate) fn in_new_namespace(case: fn()) -> bool {
    let body = move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        netlink(async |handle| link_up(&handle, "lo").await);
        case();
    };
    thread::spawn(body).join().is_ok()
}

/// Runs a few netlink requests in the calling thread's namespace.
pub(crate) fn netlink<T>(requests: impl AsyncFnOnce(Handle) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
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
    use futures::StreamExt;
    let mut links = std::pin::pin!(handle.link().get().match_name(name).execute());
    links.next().await.unwrap().unwrap().header.index
}

/// Gives an interface an address.
pub(crate) fn add_address(link: &str, address: &str, prefix: u8) {
    let address: IpAddr = address.parse().unwrap();
    netlink(async |handle| {
        let index = index_of(&handle, link).await;
        handle.address().add(index, address, prefix).execute().await.unwrap();
    });
}

/// A second namespace, joined to the calling thread's by a veth `inside`-`outside`; the default route of this one leads there.
/// Runs `there` on a thread inside it.
pub(crate) fn neighbour(here: &str, there: &str, act: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    let mine = fs::File::open("/proc/thread-self/ns/net").unwrap();
    let far: Ipv4Addr = there.parse().unwrap();
    let (ready, go) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        netlink(async |handle| {
            link_up(&handle, "lo").await;
            let peer = LinkVeth::new("outside", "inside").build();
            handle.link().add(peer).execute().await.unwrap();
            let moved = LinkUnspec::new_with_name("inside").setns_by_fd(mine.as_raw_fd()).build();
            handle.link().set(moved).execute().await.unwrap();
            link_up(&handle, "outside").await;
        });
        add_address("outside", &far.to_string(), 24);
        ready.0.send(()).unwrap();
        go.1.recv().unwrap();
        act();
    });
    ready.1.recv().unwrap();
    netlink(async |handle| link_up(&handle, "inside").await);
    add_address("inside", here, 24);
    default_route("inside", there);
    go.0.send(()).unwrap();
    thread
}

/// Sends what has no other route to a gateway.
pub(crate) fn default_route(link: &str, gateway: &str) {
    let gateway: Ipv4Addr = gateway.parse().unwrap();
    netlink(async |handle| {
        let index = index_of(&handle, link).await;
        let route = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index).gateway(gateway).build();
        handle.route().add(route).execute().await.unwrap();
    });
}

/// A thread that stays in this namespace and greets every connection with its name, a space, and the original destination.
pub(crate) fn greeter(address: &str, name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let bound = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let original = original_destination(&stream).map_or("none".into(), |address| address.to_string());
            let _ = write!(stream, "{name} {original}");
        }
    });
    bound
}

fn original_destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    let socket = socket2::SockRef::from(stream);
    let original = match stream.local_addr()? {
        SocketAddr::V4(_) => socket.original_dst_v4()?,
        SocketAddr::V6(_) => socket.original_dst_v6()?,
    };
    original.as_socket().ok_or(io::ErrorKind::InvalidData.into())
}

/// Connects and reads what the other side says.
pub(crate) fn ask(address: &str) -> io::Result<String> {
    ask_marked(address, None)
}

/// The same from an address of this host, with a limit for the connection.
pub(crate) fn ask_from(source: &str, address: &str, limit: Duration) -> io::Result<String> {
    let address: SocketAddr = address.parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source.parse().unwrap(), 0).into())?;
    said_to(socket, address, limit)
}

/// The same from a socket with a mark.
pub(crate) fn ask_marked(address: &str, mark: Option<u32>) -> io::Result<String> {
    let address: SocketAddr = address.parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if let Some(mark) = mark {
        socket.set_mark(mark)?;
    }
    said_to(socket, address, Duration::from_secs(5))
}

fn said_to(socket: socket2::Socket, address: SocketAddr, limit: Duration) -> io::Result<String> {
    socket.connect_timeout(&address.into(), limit)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

/// This thread's namespace, for another thread to come back to.
pub(crate) fn this_namespace() -> impl FnOnce() + Send {
    let here = fs::File::open("/proc/thread-self/ns/net").unwrap();
    move || setns(here, CloneFlags::CLONE_NEWNET).unwrap()
}

/// Routes a range to `lo`.
pub(crate) fn range_on_loopback(range: &str, prefix: u8) {
    let range: Ipv4Addr = range.parse().unwrap();
    netlink(async |handle| {
        let lo = index_of(&handle, "lo").await;
        let route =
            RouteMessageBuilder::<Ipv4Addr>::new().output_interface(lo).destination_prefix(range, prefix).build();
        handle.route().add(route).execute().await.unwrap();
    });
}
