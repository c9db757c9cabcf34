//! Two network namespaces joined by a veth pair: a caller's pod and a callee's.
//!
//! A socket and a child process belong to the namespace of the thread that made them, so a thread that has moved is all
//! that is needed to act in a pod.

use std::{
    fs::{self, File},
    future::Future,
    net::{IpAddr, Ipv4Addr},
    os::fd::AsRawFd,
    sync::{Arc, mpsc},
    thread,
};

use anyhow::{Context, anyhow};
use futures::StreamExt;
use nix::{
    sched::{CloneFlags, setns, unshare},
    unistd::{Gid, Uid},
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};

/// The caller's address.
pub(crate) const CALLER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// The callee's address.
pub(crate) const CALLEE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 3);
/// The prefix of both.
pub(crate) const PODS: &str = "10.9.0.0/24";
/// The address of the Service that the callee is behind.
pub(crate) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 43, 1, 1);
/// Most jobs that wait for a namespace's thread.
const JOBS: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace. It ends with the last thread, process and socket in it.
#[derive(Debug)]
pub(crate) struct Namespace {
    net: Arc<File>,
    jobs: mpsc::SyncSender<Job>,
}

/// Root stays root; anybody else becomes root of a user namespace. Call it while the process has one thread.
pub(crate) fn become_root() -> anyhow::Result<()> {
    let (uid, gid) = (Uid::current(), Gid::current());
    if uid.is_root() {
        return Ok(());
    }
    let refused = "can't make network namespaces: run as root, or let users make them (sysctl -w \
                   user.max_user_namespaces=15000 kernel.apparmor_restrict_unprivileged_userns=0)";
    unshare(CloneFlags::CLONE_NEWUSER).context(refused)?;
    fs::write("/proc/self/setgroups", "deny").context(refused)?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).context(refused)?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).context(refused)
}

/// The caller's namespace and the callee's.
pub(crate) fn pair() -> anyhow::Result<(Namespace, Namespace)> {
    let (caller, callee) = (Namespace::new("caller")?, Namespace::new("callee")?);
    let far = Arc::clone(&callee.net);
    caller.run(move || {
        netlink(async |handle| {
            handle.link().add(LinkVeth::new("eth0", "far0").build()).execute().await?;
            let moved = LinkUnspec::new_with_name("far0").setns_by_fd(far.as_raw_fd()).build();
            handle.link().set(moved).execute().await
        })
    })??;
    callee.run(|| configure("far0", CALLEE))??;
    caller.run(|| configure("eth0", CALLER))??;
    Ok((caller, callee))
}

impl Namespace {
    fn new(name: &str) -> anyhow::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel::<Job>(JOBS);
        let (made, ready) = mpsc::sync_channel(1);
        let body = move || {
            let net = unshare(CloneFlags::CLONE_NEWNET)
                .context("can't make a network namespace")
                .and_then(|()| Ok(File::open("/proc/thread-self/ns/net")?));
            let inside = net.is_ok();
            if made.send(net).is_err() || !inside {
                return;
            }
            queue.into_iter().for_each(|job| job());
        };
        thread::Builder::new().name(name.into()).spawn(body)?;
        let net = ready.recv().map_err(|_| ended())??;
        Ok(Self { net: Arc::new(net), jobs })
    }

    /// Runs something short on the namespace's own thread, which lives as long as this value: the right parent for
    /// processes.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
        let (answer, result) = mpsc::sync_channel(1);
        let job = move || drop(answer.send(job()));
        self.jobs.send(Box::new(job)).map_err(|_| ended())?;
        result.recv().map_err(|_| ended())
    }

    /// A further thread inside, with a tokio runtime of its own, for as long as the future takes.
    pub(crate) fn spawn<T, F>(&self, name: &str, body: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<Thread<T>>
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>>,
    {
        let net = Arc::clone(&self.net);
        let body = move || {
            setns(&*net, CloneFlags::CLONE_NEWNET).context("can't enter a network namespace")?;
            block_on(async { tokio::task::LocalSet::new().run_until(body()).await })?
        };
        Ok(Thread(thread::Builder::new().name(name.into()).spawn(body)?))
    }
}

/// A thread in a namespace.
#[derive(Debug)]
pub(crate) struct Thread<T>(thread::JoinHandle<anyhow::Result<T>>);

impl<T> Thread<T> {
    /// Waits for its end.
    pub(crate) fn join(self) -> anyhow::Result<T> {
        self.0.join().map_err(|_| anyhow!("a thread of the benchmark panicked"))?
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

fn ended() -> anyhow::Error {
    anyhow!("the namespace's thread has ended")
}

fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}

fn netlink<T>(requests: impl AsyncFnOnce(Handle) -> Result<T, rtnetlink::Error>) -> anyhow::Result<T> {
    block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let driver = tokio::spawn(connection);
        let result = requests(handle).await;
        driver.abort();
        Ok(result?)
    })?
}

/// Gives a link its address, and sends everything there.
fn configure(link: &'static str, address: Ipv4Addr) -> anyhow::Result<()> {
    netlink(async |handle| {
        for name in ["lo", link] {
            handle.link().set(LinkUnspec::new_with_name(name).up().build()).execute().await?;
        }
        let mut links = std::pin::pin!(handle.link().get().match_name(link).execute());
        let Some(found) = links.next().await else { return Err(rtnetlink::Error::RequestFailed) };
        let index = found?.header.index;
        handle.address().add(index, IpAddr::V4(address), 24).execute().await?;
        let everywhere = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index).build();
        handle.route().add(everywhere).execute().await
    })
}
