//! A pod from its first container to its removal from the API.

mod files;
mod runners;
mod status;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::api::{Api, DeleteParams, Preconditions};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::shared::PodShared;
use super::state::{Kind, RestartPolicy};
use super::{launch, state::PodState};
use crate::sandbox::Sandbox;
use crate::status::is_terminal;
use crate::userns::user_exists;
use runners::Runners;

/// What the API says of the pod while it runs.
pub(crate) struct Orders {
    /// The object has been deleted; nobody waits for a graceful end any more.
    pub(crate) gone: CancellationToken,
}

/// Between two attempts to make what a pod needs before its first container.
const RETRY: Duration = Duration::from_secs(1);

/// How long the pod's containers have when the node goes away.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Runs the pod to its end.
pub(crate) async fn run(shared: Arc<PodShared>, orders: Orders) {
    let object = shared.object();
    if is_terminal(object.status.as_ref().and_then(|status| status.phase.as_deref())) {
        // From an earlier life of the node: there is nothing to run, only to clean up.
        wait_for_deletion(&shared, &orders).await;
        return remove(&shared, &orders).await;
    }
    let writer = status::Writer::start(Arc::clone(&shared));
    let mut runners = Runners::default();
    let deadline = object
        .spec
        .as_ref()
        .and_then(|spec| spec.active_deadline_seconds)
        .and_then(|seconds| u64::try_from(seconds).ok());
    tokio::select! {
        () = live(&shared, &mut runners) => {}
        () = wait_for_deletion(&shared, &orders) => {}
        () = too_late(deadline) => {
            let failure = ("DeadlineExceeded".to_owned(), "Pod was active on the node longer than the specified deadline".to_owned());
            shared.state.send_modify(|state| state.failure = Some(failure));
        }
    }
    if shared.context.shutdown.is_cancelled() {
        // The API keeps saying what was true: the node's next life starts the pod anew.
        writer.abandon();
        end(&shared, &orders, runners).await;
    } else {
        end(&shared, &orders, runners).await;
        wait_for_deletion(&shared, &orders).await;
        writer.finish().await;
    }
    remove(&shared, &orders).await;
}

async fn too_late(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Until the pod is asked to go, is gone, or the node goes.
async fn wait_for_deletion(shared: &PodShared, orders: &Orders) {
    let mut pod = shared.pod.clone();
    tokio::select! {
        () = ordered(&mut pod) => {}
        () = orders.gone.cancelled() => {}
        () = shared.context.shutdown.cancelled() => {}
    }
}

/// Until somebody has asked for the pod's deletion.
async fn ordered(pod: &mut watch::Receiver<Arc<Pod>>) {
    let watched = pod.wait_for(|pod| pod.metadata.deletion_timestamp.is_some()).await.is_ok();
    if !watched {
        std::future::pending::<()>().await;
    }
}

/// Starts everything in order, and returns when all main containers have ended for good.
async fn live(shared: &Arc<PodShared>, runners: &mut Runners) {
    let pod = shared.object();
    let spec = pod.spec.clone().unwrap_or_default();
    let policy = RestartPolicy::of(&spec);
    for what in unsupported(&spec) {
        shared.event(None, true, "Unsupported", format!("this node does not know {what}; the pod runs without it"));
    }
    make_sandbox(shared, &pod).await;
    let tokens = files::prepare(shared).await;
    runners.keep_files_fresh(Arc::clone(shared), tokens);
    for container in spec.init_containers.iter().flatten() {
        let kind = Kind::of_init(container);
        let done = runners.start(shared, container, kind, policy);
        if kind == Kind::Sidecar {
            started(shared.state.subscribe(), &container.name).await;
        } else if runners::ended(done).await != Some(0) {
            return;
        }
    }
    let mut all = Vec::new();
    for container in &spec.containers {
        all.push(runners.start(shared, container, Kind::Main, policy));
    }
    for done in all {
        runners::ended(done).await;
    }
}

/// What the pod asks for and doesn't get.
fn unsupported(spec: &PodSpec) -> Vec<&'static str> {
    let asked = [
        (spec.host_network, "hostNetwork"),
        (spec.host_pid, "hostPID"),
        (spec.host_ipc, "hostIPC"),
        (spec.share_process_namespace, "shareProcessNamespace"),
    ];
    let user = spec.containers.iter().chain(spec.init_containers.iter().flatten()).any(|container| {
        let own = container.security_context.as_ref().and_then(|context| context.run_as_user);
        let pod = spec.security_context.as_ref().and_then(|context| context.run_as_user);
        own.or(pod).and_then(|uid| u32::try_from(uid).ok()).is_some_and(|uid| !user_exists(uid))
    });
    let asked = asked.into_iter().chain([(Some(user), "runAsUser in a user namespace with a single user")]);
    asked.filter(|(asked, _)| *asked == Some(true)).map(|(_, what)| what).collect()
}

async fn started(mut state: watch::Receiver<PodState>, container: &str) {
    let is_started = |state: &PodState| state.containers.get(container).is_some_and(|container| container.started);
    let _pod_is_gone = state.wait_for(is_started).await;
}

async fn make_sandbox(shared: &Arc<PodShared>, pod: &Pod) {
    let spec = pod.spec.clone().unwrap_or_default();
    let hostname = launch::hostname(&shared.name, &spec);
    loop {
        let why = match shared.context.ipam.take() {
            None => "no pod address is free".to_owned(),
            Some(lease) => match Sandbox::create(Arc::clone(&shared.context.router), lease, hostname.clone()).await {
                Ok(sandbox) => {
                    let address = sandbox.address();
                    *shared.sandbox.lock() = Some(Arc::new(sandbox));
                    shared.state.send_modify(|state| state.ip = Some(address));
                    return;
                }
                Err(error) => error.to_string(),
            },
        };
        shared.event(None, true, "FailedCreatePodSandBox", format!("Failed to create pod sandbox: {why}"));
        sleep(RETRY).await;
    }
}

/// Ends all containers: main ones first, then sidecars from last to first. Then the network.
async fn end(shared: &Arc<PodShared>, orders: &Orders, mut runners: Runners) {
    let pod = shared.object();
    let shutdown = shared.context.shutdown.is_cancelled();
    let grace = match pod.metadata.deletion_grace_period_seconds {
        _ if shutdown => SHUTDOWN_GRACE,
        Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        None => {
            let seconds = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        }
    };
    let deadline = Instant::now() + if orders.gone.is_cancelled() { Duration::ZERO } else { grace };
    runners.stop(deadline, &orders.gone, &shared.context.shutdown, SHUTDOWN_GRACE).await;
    shared.state.send_modify(|state| state.finished = true);
    let sandbox = shared.sandbox.lock().take();
    // Somebody may still hold it, for a port-forward; the kernel then takes the link away a little later.
    if let Some(Ok(sandbox)) = sandbox.map(Arc::try_unwrap)
        && let Err(error) = sandbox.remove().await
    {
        tracing::debug!(pod = shared.name, %error, "pod link not removed");
    }
}

/// The object and the pod's directories.
async fn remove(shared: &PodShared, orders: &Orders) {
    if !orders.gone.is_cancelled() && !shared.context.shutdown.is_cancelled() {
        delete_object(shared, orders).await;
    }
    for directory in [&shared.directory, &shared.log_directory] {
        match tokio::fs::remove_dir_all(directory).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(directory = %directory.display(), %error, "pod directory not removed");
            }
            _ => {}
        }
    }
}

async fn delete_object(shared: &PodShared, orders: &Orders) {
    let api: Api<Pod> = Api::namespaced(shared.context.config.client.clone(), &shared.namespace);
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: Some(shared.uid.clone()), resource_version: None }),
        ..DeleteParams::default()
    };
    loop {
        match api.delete(&shared.name, &params).await {
            Ok(_) => return,
            // Somebody else was faster, or another pod has its name by now.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return,
            Err(error) => tracing::debug!(pod = shared.name, %error, "pod not deleted yet"),
        }
        tokio::select! {
            () = sleep(RETRY) => {}
            () = orders.gone.cancelled() => return,
            () = shared.context.shutdown.cancelled() => return,
        }
    }
}
