//! What the parts of a pod's run share.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::state::{ContainerState, PodState};
use crate::config::Config;
use crate::env::Facts;
use crate::events::Events;
use crate::helper::spec::{ExecSpec, ProgramSpec};
use crate::ipam::Ipam;
use crate::logs::Log;
use crate::objects::Objects;
use crate::router::Router;
use crate::sandbox::{Container, ExecPipes, Launch, Sandbox};
use crate::volume::PodDns;

/// The most that is kept of a hook's or probe's output, for its Event.
const OUTPUT_KEPT: u64 = 10 * 1024;

/// What all pods of the node share.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) router: Arc<Router>,
    pub(crate) objects: Objects,
    pub(crate) events: Events,
    pub(crate) ipam: Arc<Ipam>,
    pub(crate) dns: PodDns,
    /// The PATH in which `local/<program>` is looked up, and which programs get.
    pub(crate) path: OsString,
    /// The node is going away; pods end, but stay in the API.
    pub(crate) shutdown: CancellationToken,
}

/// One pod's run.
pub(crate) struct PodShared {
    pub(crate) context: Arc<Context>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// The pod as the API has it.
    pub(crate) pod: watch::Receiver<Arc<Pod>>,
    pub(crate) state: watch::Sender<PodState>,
    /// Volumes and mount points.
    pub(crate) directory: PathBuf,
    pub(crate) log_directory: PathBuf,
    pub(crate) sandbox: Mutex<Option<Arc<Sandbox>>>,
    running: Mutex<BTreeMap<String, Running>>,
    logs: Mutex<BTreeMap<String, Weak<Log>>>,
}

/// A running container, for those who want to start something beside its program.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    pub(crate) program: ProgramSpec,
    pub(crate) env: Vec<(String, String)>,
}

impl PodShared {
    pub(crate) fn new(context: Arc<Context>, pod: watch::Receiver<Arc<Pod>>) -> Arc<Self> {
        let object = Arc::clone(&pod.borrow());
        let uid = object.metadata.uid.clone().unwrap_or_default();
        Arc::new(PodShared {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
            state: watch::Sender::new(PodState::new(&object, jiff::Timestamp::now())),
            directory: context.config.state_dir.join("pods").join(&uid),
            log_directory: context.config.state_dir.join("logs").join(&uid),
            uid,
            pod,
            sandbox: Mutex::default(),
            running: Mutex::default(),
            logs: Mutex::default(),
            context,
        })
    }

    /// The pod as the API has it now.
    pub(crate) fn object(&self) -> Arc<Pod> {
        Arc::clone(&self.pod.borrow())
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts {
            pod_ip: self.state.borrow().ip.map(|ip| ip.to_string()).unwrap_or_default(),
            host_ip: self.context.router.address().to_string(),
            node_name: self.context.config.name.clone(),
        }
    }

    /// Changes what is known of a container.
    pub(crate) fn update(&self, container: &str, change: impl FnOnce(&mut ContainerState)) {
        self.state.send_if_modified(|state| {
            let Some(known) = state.containers.get_mut(container) else { return false };
            let before = known.clone();
            change(known);
            *known != before
        });
    }

    pub(crate) fn event(&self, container: Option<&str>, warning: bool, reason: &'static str, message: String) {
        self.context.events.pod(&self.object(), container, warning, reason, message);
    }

    pub(crate) fn sandbox(&self) -> io::Result<Arc<Sandbox>> {
        self.sandbox
            .lock()
            .clone()
            .ok_or_else(|| io::Error::other(format!("pod {}/{} has no sandbox", self.namespace, self.name)))
    }

    pub(crate) fn set_running(&self, container: &str, running: Option<Running>) {
        let mut all = self.running.lock();
        match running {
            Some(running) => all.insert(container.to_owned(), running),
            None => all.remove(container),
        };
    }

    pub(crate) fn set_log(&self, container: &str, log: &Arc<Log>) {
        self.logs.lock().insert(container.to_owned(), Arc::downgrade(log));
    }

    /// The log that a running container writes.
    pub(crate) fn log(&self, container: &str) -> Option<Arc<Log>> {
        self.logs.lock().get(container)?.upgrade()
    }

    /// Starts a further process in a running container.
    pub(crate) async fn exec(
        &self,
        container: &str,
        argv: Vec<String>,
        terminal: Option<PathBuf>,
        stdin: bool,
    ) -> io::Result<(Container, ExecPipes)> {
        let running = self.running.lock().get(container).cloned();
        let running = running.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("container {container:?} is not running"))
        })?;
        let program = ProgramSpec { argv, ..running.program };
        let spec = ExecSpec { program, container_pid: running.pid, terminal };
        let helper = self.context.config.helper.clone();
        self.sandbox()?.exec(Launch { helper, spec, env: running.env }, stdin).await
    }

    /// Runs a command in a container to its end: its exit code and the beginning of its output.
    pub(crate) async fn exec_capture(
        &self,
        container: &str,
        argv: Vec<String>,
        limit: Duration,
    ) -> io::Result<(i32, String)> {
        let (mut process, pipes) = self.exec(container, argv, None, false).await?;
        let run = async {
            let mut output = Vec::new();
            if let Some(stdout) = pipes.stdout {
                stdout.take(OUTPUT_KEPT).read_to_end(&mut output).await?;
            }
            if let Some(stderr) = pipes.stderr {
                stderr.take(OUTPUT_KEPT).read_to_end(&mut output).await?;
            }
            let status = process.wait().await?;
            Ok((super::stop::exit_code(status), String::from_utf8_lossy(&output).trim().to_owned()))
        };
        match tokio::time::timeout(limit, run).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("command timed out after {limit:?}"))),
        }
    }
}
