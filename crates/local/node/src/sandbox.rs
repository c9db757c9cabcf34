//! A pod's namespaces, and the processes in them.

mod container;
#[cfg(test)]
mod tests;

pub(crate) use container::{Container, ExecPipes, Launch};

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};
use tokio::net::{TcpSocket, TcpStream};

use crate::ipam::Lease;
use crate::net;
use crate::router::{Router, context};
use crate::thread::NamespaceThread;

/// Network, host name and IPC namespaces of one pod. They end with the last process and value that holds them.
#[derive(Debug)]
pub(crate) struct Sandbox {
    thread: NamespaceThread,
    namespaces: Arc<Namespaces>,
    lease: Lease,
    router: Arc<Router>,
}

#[derive(Debug)]
struct Namespaces {
    net: File,
    uts: File,
    ipc: File,
}

impl Namespaces {
    fn of_this_thread() -> io::Result<Self> {
        let open = |name: &str| File::open(format!("/proc/thread-self/ns/{name}"));
        Ok(Namespaces { net: open("net")?, uts: open("uts")?, ipc: open("ipc")? })
    }

    fn enter(&self) -> io::Result<()> {
        setns(&self.net, CloneFlags::CLONE_NEWNET)?;
        setns(&self.uts, CloneFlags::CLONE_NEWUTS)?;
        Ok(setns(&self.ipc, CloneFlags::CLONE_NEWIPC)?)
    }
}

impl Sandbox {
    /// Makes the namespaces and joins them to the router.
    pub(crate) async fn create(router: Arc<Router>, lease: Lease, hostname: String) -> io::Result<Self> {
        let thread = NamespaceThread::start("pod", move || {
            let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
            unshare(flags).map_err(|error| context("new namespaces", error.into()))?;
            nix::unistd::sethostname(&hostname).map_err(|error| context("host name", error.into()))
        })
        .await?;
        let namespaces = Arc::new(thread.run(Namespaces::of_this_thread).await??);
        net::connect_pod(&thread, &router, lease.address()).await?;
        Ok(Sandbox { thread, namespaces, lease, router })
    }

    /// The pod's address.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.lease.address()
    }

    /// Connects from inside the pod, so that its loopback addresses can be reached.
    pub(crate) async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let socket = self.thread.run(TcpSocket::new_v4).await??;
        socket.connect((Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// Takes the pod's link away at once. Its processes must have ended.
    pub(crate) async fn remove(self) -> io::Result<()> {
        self.router.detach(self.lease.address()).await
    }

    /// A thread inside, with a PID namespace for its children: a new one, or that of a running process.
    async fn thread_for(&self, pid_namespace: Option<File>) -> io::Result<NamespaceThread> {
        let namespaces = Arc::clone(&self.namespaces);
        NamespaceThread::start("container", move || {
            namespaces.enter().map_err(|error| context("enter the pod", error))?;
            match pid_namespace {
                Some(existing) => setns(existing, CloneFlags::CLONE_NEWPID)?,
                None => unshare(CloneFlags::CLONE_NEWPID)?,
            }
            Ok(())
        })
        .await
    }
}
