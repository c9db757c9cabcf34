//! Watches that go on: one malformed object doesn't stop them, and a kind that isn't installed yet is waited for.

mod pause;

use std::{collections::HashSet, fmt::Debug, time::Duration};

use futures::{Stream, StreamExt};
use isthmus_core::id::ObjectName;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::pause::Pause;

/// How often a kind that isn't installed is looked for again.
const ABSENT_RETRY: Duration = Duration::from_secs(5);

/// What a watch says.
#[derive(Debug, Clone)]
pub enum Change<T> {
    /// The object is now this.
    Applied(T),
    /// The object is gone.
    Deleted(ObjectName),
    /// The object can't be read. What was known of it stays in effect.
    Malformed(Malformed),
    /// Everything that existed when the watch began has been told. Said once, also when the kind isn't installed.
    Synced,
}

/// An object that doesn't have the shape of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Its name.
    pub name: ObjectName,
    /// Its `metadata.uid`.
    pub uid: String,
    /// Its `metadata.generation`.
    pub generation: i64,
    /// What is wrong with it.
    pub error: String,
}

/// Follows every object of a kind, in all namespaces, until `stop`; `map` makes the message to send of each change.
/// Errors of the API server are retried for ever, with a growing pause.
pub async fn follow<K, M>(
    client: Client,
    send: mpsc::Sender<M>,
    map: impl Fn(Change<K>) -> M + Send,
    stop: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    M: Send,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client);
    let mut state = Following::default();
    let run = async {
        loop {
            let events = watcher(api.clone(), watcher::Config::default()).backoff(Pause::default());
            if !pump(events, &send, &map, &mut state).await {
                return;
            }
            tokio::time::sleep(ABSENT_RETRY).await;
        }
    };
    tokio::select! {
        () = run => {}
        () = stop.cancelled() => {}
    }
}

/// What has been told so far.
#[derive(Debug, Default)]
struct Following {
    known: HashSet<ObjectName>,
    listed: HashSet<ObjectName>,
    synced: bool,
    warned: bool,
}

/// Sends on until the kind turns out to be absent (`true`: try again later) or nobody listens (`false`).
async fn pump<K, M>(
    events: impl Stream<Item = Result<watcher::Event<DeserializeGuard<K>>, watcher::Error>>,
    send: &mpsc::Sender<M>,
    map: &impl Fn(Change<K>) -> M,
    state: &mut Following,
) -> bool
where
    K: Resource<DynamicType = ()>,
{
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let changes = match event {
            Ok(event) => state.changes(event),
            Err(error) => {
                let absent = is_absent(&error);
                if !std::mem::replace(&mut state.warned, true) {
                    let kind = K::kind(&());
                    if absent {
                        tracing::warn!(%kind, "this kind isn't installed: waiting for its CustomResourceDefinition");
                    } else {
                        tracing::warn!(%kind, %error, "watch failed: trying again");
                    }
                }
                let gone = if absent { state.absent() } else { Vec::new() };
                for change in gone {
                    if send.send(map(change)).await.is_err() {
                        return false;
                    }
                }
                if absent {
                    return true;
                }
                continue;
            }
        };
        for change in changes {
            if send.send(map(change)).await.is_err() {
                return false;
            }
        }
    }
    true
}

impl Following {
    fn changes<K: Resource<DynamicType = ()>>(&mut self, event: watcher::Event<DeserializeGuard<K>>) -> Vec<Change<K>> {
        match event {
            watcher::Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                self.listed.insert(name_of(&object));
                vec![self.applied(object)]
            }
            watcher::Event::InitDone => {
                self.warned = false;
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<_> = self.known.difference(&listed).cloned().collect();
                self.known = listed;
                let mut changes: Vec<_> = gone.into_iter().map(Change::Deleted).collect();
                changes.extend(self.sync());
                changes
            }
            watcher::Event::Apply(object) => vec![self.applied(object)],
            watcher::Event::Delete(object) => {
                let name = name_of(&object);
                self.known.remove(&name);
                vec![Change::Deleted(name)]
            }
        }
    }

    fn applied<K: Resource<DynamicType = ()>>(&mut self, object: DeserializeGuard<K>) -> Change<K> {
        let name = name_of(&object);
        self.known.insert(name.clone());
        match object.0 {
            Ok(object) => Change::Applied(object),
            Err(invalid) => Change::Malformed(Malformed {
                name,
                uid: invalid.metadata.uid.unwrap_or_default(),
                generation: invalid.metadata.generation.unwrap_or_default(),
                error: invalid.error,
            }),
        }
    }

    /// The kind is not installed (any more): so there are no objects of it.
    fn absent<K>(&mut self) -> Vec<Change<K>> {
        let mut changes: Vec<_> = self.known.drain().map(Change::Deleted).collect();
        changes.extend(self.sync());
        changes
    }

    fn sync<K>(&mut self) -> Option<Change<K>> {
        (!std::mem::replace(&mut self.synced, true)).then_some(Change::Synced)
    }
}

fn name_of<K: Resource<DynamicType = ()>>(object: &DeserializeGuard<K>) -> ObjectName {
    ObjectName::new(object.namespace().unwrap_or_default(), object.name_any())
}

fn is_absent(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(cause) | watcher::Error::WatchStartFailed(cause)) = error else {
        return false;
    };
    matches!(cause, kube::Error::Api(status) if status.code == 404)
}

#[cfg(test)]
mod tests;
