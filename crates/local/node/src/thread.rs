//! Threads that live in namespaces of their own.
//!
//! A socket belongs for good to the network namespace of the thread that made it, and a process inherits its parent thread's
//! namespaces; so a thread that has moved is all that is needed to act in a pod. It is also the parent that a container's
//! `PR_SET_PDEATHSIG` watches, so it lives as long as what it started.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A thread with its own namespaces, which runs what it is given, one after the other. It ends when the last of these values is dropped.
#[derive(Debug, Clone)]
pub(crate) struct NamespaceThread {
    jobs: mpsc::Sender<Job>,
}

impl NamespaceThread {
    /// Starts the thread; `enter` moves it.
    pub(crate) async fn start(name: &str, enter: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (entered, ready) = oneshot::channel();
        thread::Builder::new().name(name.chars().take(15).collect()).spawn(move || {
            let result = enter();
            let inside = result.is_ok();
            if entered.send(result).is_err() || !inside {
                return;
            }
            while let Ok(job) = queue.recv() {
                job();
            }
        })?;
        ready.await.map_err(|_| gone())??;
        Ok(NamespaceThread { jobs })
    }

    /// Runs a closure on the thread. It may use the caller's tokio runtime to register sockets and processes, but must not block for long.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (answer, result) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        let job = move || {
            let _inside = runtime.enter();
            let _caller_gone = answer.send(job());
        };
        self.jobs.send(Box::new(job)).map_err(|_| gone())?;
        result.await.map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::other("the namespace's thread has ended")
}
