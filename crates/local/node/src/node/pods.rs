//! The pods of this node, and who works on each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pod::{self, Context, Orders, PodShared};

/// Every pod that is being worked on, by uid.
#[derive(Default)]
pub(crate) struct Pods {
    working: Mutex<BTreeMap<String, Worker>>,
    tasks: TaskTracker,
}

struct Worker {
    pod: watch::Sender<Arc<Pod>>,
    shared: Arc<PodShared>,
    gone: CancellationToken,
}

impl Pods {
    /// The newest pod of that name.
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<Arc<PodShared>> {
        let working = self.working.lock();
        let mut named =
            working.values().filter(|worker| worker.shared.namespace == namespace && worker.shared.name == name);
        let first = named.next()?;
        // While an old pod of the same name is still ending, the one that isn't is meant.
        let chosen = named.fold(first, |old, new| if old.gone.is_cancelled() { new } else { old });
        Some(Arc::clone(&chosen.shared))
    }

    /// Waits until every pod has ended.
    pub(crate) async fn end(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn apply(self: &Arc<Self>, context: &Arc<Context>, pod: Pod) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        let pod = Arc::new(pod);
        let mut working = self.working.lock();
        if let Some(worker) = working.get(&uid) {
            worker.pod.send_replace(pod);
            return;
        }
        let fresh = pod.status.as_ref().is_none_or(|status| status.start_time.is_none());
        let (sender, receiver) = watch::channel(pod);
        let gone = CancellationToken::new();
        let shared = PodShared::new(Arc::clone(context), receiver);
        if fresh {
            let message =
                format!("Successfully assigned {}/{} to {}", shared.namespace, shared.name, context.config.name);
            shared.event(None, false, "Scheduled", message);
        }
        working.insert(uid.clone(), Worker { pod: sender, shared: Arc::clone(&shared), gone: gone.clone() });
        drop(working);
        let all = Arc::clone(self);
        self.tasks.spawn(async move {
            pod::run(shared, Orders { gone: gone.clone() }).await;
            // Until the watch has told of the deletion, a late event could bring the pod back.
            gone.cancelled().await;
            all.working.lock().remove(&uid);
        });
    }

    fn delete(&self, uid: &str) {
        if let Some(worker) = self.working.lock().get(uid) {
            worker.gone.cancel();
        }
    }

    /// What was listed is all that there is.
    fn keep_only(&self, listed: &BTreeSet<String>) {
        for (_, worker) in self.working.lock().iter().filter(|(uid, _)| !listed.contains(*uid)) {
            worker.gone.cancel();
        }
    }

    fn release_all(&self) {
        for worker in self.working.lock().values() {
            worker.gone.cancel();
        }
    }
}

/// Follows the API's pods until dropped, and works on those of this node.
pub(super) async fn follow(context: Arc<Context>, pods: Arc<Pods>) {
    context.objects.ready().await;
    let api: Api<Pod> = Api::all(context.config.client.clone());
    let mut stream = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut listed = BTreeSet::new();
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = context.shutdown.cancelled() => break,
        };
        match event {
            Some(Ok(watcher::Event::Apply(pod))) => take(&context, &pods, pod),
            Some(Ok(watcher::Event::InitApply(pod))) => {
                listed.extend(pod.metadata.uid.clone());
                take(&context, &pods, pod);
            }
            Some(Ok(watcher::Event::Init)) => listed.clear(),
            Some(Ok(watcher::Event::InitDone)) => pods.keep_only(&listed),
            Some(Ok(watcher::Event::Delete(pod))) => pods.delete(pod.metadata.uid.as_deref().unwrap_or_default()),
            Some(Err(error)) => tracing::debug!(%error, "watch of pods interrupted"),
            None => break,
        }
    }
    // The workers end by themselves; nothing more will be heard of their pods.
    pods.release_all();
}

fn take(context: &Arc<Context>, pods: &Arc<Pods>, pod: Pod) {
    if pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(&context.config.name) {
        pods.apply(context, pod);
    }
}
