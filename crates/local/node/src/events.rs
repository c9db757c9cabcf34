//! Events about pods and the node. The same one again only counts up.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, Node, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Events that may wait to be written; more are dropped.
const QUEUE: usize = 256;
/// Events whose repetitions are counted.
const REMEMBERED: usize = 4096;
const COMPONENT: &str = "kubelet";

/// Where events are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    queue: mpsc::Sender<Note>,
}

#[derive(Debug)]
struct Note {
    about: ObjectReference,
    kind: &'static str,
    reason: &'static str,
    message: String,
}

type Key = (Option<String>, Option<String>, &'static str, String);

impl Events {
    /// Starts the writer.
    pub(crate) fn start(client: kube::Client, node: String, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (queue, notes) = mpsc::channel(QUEUE);
        tasks.spawn(async move { stop.run_until_cancelled(write(client, node, notes)).await });
        Events { queue }
    }

    /// Something about a pod, or one of its containers.
    pub(crate) fn pod(&self, pod: &Pod, container: Option<&str>, warning: bool, reason: &'static str, message: String) {
        let mut about = pod.object_ref(&());
        about.field_path = container.map(|name| format!("spec.containers{{{name}}}"));
        self.note(about, warning, reason, message);
    }

    /// Something about the node.
    pub(crate) fn node(&self, name: &str, reason: &'static str, message: String) {
        let node = Node {
            metadata: ObjectMeta { name: Some(name.into()), uid: Some(name.into()), ..ObjectMeta::default() },
            ..Node::default()
        };
        self.note(node.object_ref(&()), false, reason, message);
    }

    fn note(&self, about: ObjectReference, warning: bool, reason: &'static str, message: String) {
        let kind = if warning { "Warning" } else { "Normal" };
        if self.queue.try_send(Note { about, kind, reason, message }).is_err() {
            tracing::debug!(reason, "event dropped: the queue is full");
        }
    }
}

async fn write(client: kube::Client, node: String, mut notes: mpsc::Receiver<Note>) {
    let mut seen: BTreeMap<Key, (String, i32)> = BTreeMap::new();
    let mut serial = 0u64;
    while let Some(note) = notes.recv().await {
        let namespace = note.about.namespace.clone().unwrap_or_else(|| "default".into());
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let now = Time(Timestamp::now());
        let key = (note.about.uid.clone(), note.about.field_path.clone(), note.reason, note.message.clone());
        if let Some((name, count)) = seen.get_mut(&key) {
            *count = count.saturating_add(1);
            let again = json!({"count": *count, "lastTimestamp": now});
            if api.patch(name, &PatchParams::default(), &Patch::Merge(again)).await.is_ok() {
                continue;
            }
        }
        serial = serial.wrapping_add(1);
        let subject = note.about.name.clone().unwrap_or_default();
        let name = format!("{subject}.{:x}{serial:04x}", now.0.as_microsecond());
        let event = Event {
            metadata: ObjectMeta { name: Some(name.clone()), namespace: Some(namespace), ..ObjectMeta::default() },
            involved_object: note.about,
            type_: Some(note.kind.into()),
            reason: Some(note.reason.into()),
            message: Some(note.message),
            count: Some(1),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            source: Some(EventSource { component: Some(COMPONENT.into()), host: Some(node.clone()) }),
            reporting_component: Some(COMPONENT.into()),
            reporting_instance: Some(node.clone()),
            ..Event::default()
        };
        match api.create(&PostParams::default(), &event).await {
            Ok(_) => {
                if seen.len() >= REMEMBERED {
                    seen.clear();
                }
                seen.insert(key, (name, 1));
            }
            Err(error) => tracing::debug!(%error, "event not written"),
        }
    }
}
