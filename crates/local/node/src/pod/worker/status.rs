//! Keeping the pod's status in the API as the pod is.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::shared::PodShared;
use super::RETRY;
use crate::status::compute;

/// Writes the status whenever it changes.
pub(super) struct Writer {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(shared: Arc<PodShared>) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(follow(shared, stop.clone()));
        Writer { stop, task }
    }

    /// Ends at once, and writes nothing more.
    pub(super) fn abandon(&self) {
        self.task.abort();
    }

    /// Writes the last status, and ends.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        let _panicked = self.task.await;
    }
}

async fn follow(shared: Arc<PodShared>, stop: CancellationToken) {
    let mut state = shared.state.subscribe();
    let mut pod = shared.pod.clone();
    let mut sent: Option<PodStatus> = None;
    loop {
        let last = stop.is_cancelled();
        let now = state.borrow_and_update().clone();
        let mut object = Pod::clone(&pod.borrow_and_update());
        if let (Some(sent), Some(status)) = (&sent, object.status.as_mut()) {
            status.conditions = Some(newest(status.conditions.take(), sent));
        }
        let host = shared.context.router.address().to_string();
        let wanted = compute(&object, &now, &host, Timestamp::now());
        let written = if sent.as_ref() == Some(&wanted) { true } else { write(&shared, &wanted).await };
        if written {
            sent = Some(wanted);
        }
        if last {
            return;
        }
        tokio::select! {
            _ = state.changed() => {}
            _ = pod.changed() => {}
            () = stop.cancelled() => {}
            () = sleep(RETRY), if !written => {}
        }
    }
}

/// The conditions of others as they are in the object, and our own as they were last written: the watch may be a moment behind.
fn newest(known: Option<Vec<PodCondition>>, sent: &PodStatus) -> Vec<PodCondition> {
    let mut all = sent.conditions.clone().unwrap_or_default();
    for condition in known.unwrap_or_default() {
        match all.iter_mut().find(|own| own.type_ == condition.type_) {
            Some(own) if !OWN.contains(&own.type_.as_str()) => *own = condition,
            Some(_) => {}
            None => all.push(condition),
        }
    }
    all
}

/// The conditions that the node sets.
const OWN: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// True when it's in the API, or will never be.
async fn write(shared: &PodShared, status: &PodStatus) -> bool {
    let api: Api<Pod> = Api::namespaced(shared.context.config.client.clone(), &shared.namespace);
    let patch = json!({"metadata": {"uid": shared.uid}, "status": status});
    match api.patch_status(&shared.name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => true,
        Err(error) => {
            tracing::debug!(pod = shared.name, %error, "status not written yet");
            false
        }
    }
}
