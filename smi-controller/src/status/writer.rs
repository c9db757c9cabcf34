//! Writing statuses: after a moment, so that what settles at once is written once; and only what differs.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use isthmus_core::broken;
use isthmus_k8s::{split::MeasuredBackend, status::Status};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use prometheus::IntCounterVec;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    conditions,
    due::Due,
    events::{self, Raised},
    shares::{Measured, Shares},
    waiting::Waiting,
};
use crate::{
    compile::Checked,
    fault::{Effect, Kind, ObjectRef},
    metrics::Metrics,
    serve::{Hub, InEffect, Link},
};

/// How long a change may settle before it is written: most proxies have acknowledged by then.
const SETTLE: Duration = Duration::from_millis(15);
/// How long the other replicas may take to say who is connected to them, and how often that is looked at.
const HEARD_LIMIT: Duration = Duration::from_secs(5);
const HEARD_PERIOD: Duration = Duration::from_millis(20);
/// Most writes at a time.
const CONCURRENT: usize = 8;

/// Writes the status of every SMI object, while this replica holds the lease.
pub(crate) struct Writer {
    hub: Arc<Hub>,
    client: Client,
    leader: watch::Receiver<bool>,
    writes: IntCounterVec,
    known: HashMap<ObjectRef, Known>,
    due: Due,
    waiting: Waiting,
    shares: Arc<Shares>,
}

/// What this process has written, or found.
#[derive(Debug, Clone, Default)]
struct Known {
    uid: Arc<str>,
    status: Status,
    dealt: Dealt,
    raised: Raised,
}

/// What the status of a split says beside that.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dealt {
    generation_in_effect: Option<i64>,
    backends: Option<Vec<MeasuredBackend>>,
}

type Job = (ObjectRef, Option<(Checked, InEffect)>, Option<Link>);

impl Writer {
    /// It counts in the metrics.
    pub(crate) fn new(
        hub: Arc<Hub>,
        client: Client,
        leader: watch::Receiver<bool>,
        metrics: &Metrics,
        shares: Arc<Shares>,
    ) -> Self {
        let (writes, waiting) = (metrics.status_writes.clone(), Waiting::new(metrics.waiting.clone()));
        Self { hub, client, leader, writes, known: HashMap::new(), due: Due::default(), waiting, shares }
    }

    /// Works until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.hub.synced().await;
        let mut leading = false;
        loop {
            let next = self.due.next();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.hub.unsettled.notified() => {}
                () = due => {}
                changed = self.leader.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            let leads = *self.leader.borrow_and_update();
            if leads && !leading {
                tokio::select! {
                    () = self.all_heard() => {}
                    () = stop.cancelled() => return,
                }
                self.hub.with(|registry| registry.unsettle_all());
            }
            leading = leads;
            if leads {
                tokio::time::sleep(SETTLE).await;
            }
            let mut objects = self.hub.with(|registry| registry.take_unsettled());
            if !leads {
                self.known.clear();
                self.due.clear();
                self.waiting.clear();
                self.shares.clear();
                continue;
            }
            objects.extend(self.due.by(Instant::now()));
            self.write_all(objects).await;
        }
    }

    /// Waits until the other replicas have said who is connected to them: what is in effect everywhere would be called
    /// pending, for a moment, by a replica that has just begun to lead.
    async fn all_heard(&self) {
        let heard = async {
            while self.hub.with(|registry| registry.waits_for_replica(0)).is_some() {
                tokio::time::sleep(HEARD_PERIOD).await;
            }
        };
        // After that the status says for whom it waits.
        let _ = tokio::time::timeout(HEARD_LIMIT, heard).await;
    }

    async fn write_all(&mut self, objects: BTreeSet<ObjectRef>) {
        let jobs: Vec<Job> = self.hub.with(|registry| {
            objects
                .into_iter()
                .map(|object| {
                    let (state, link) = (registry.state_of(&object), registry.link(&object));
                    (object, state, link)
                })
                .collect()
        });
        let mut work = Vec::new();
        let now = Instant::now();
        for (object, state, link) in jobs {
            match state {
                Some((_, effect)) if !self.due.is_time(&object, effect.is_pending(), now) => {}
                Some((checked, effect)) => {
                    // Nothing says when another replica is given up, or what it counts becomes certain.
                    if effect.unknown.is_some() {
                        self.due.again(object.clone(), now);
                    }
                    let known = self.known.get(&object).filter(|known| known.uid == checked.uid).cloned();
                    let split = object.kind == Kind::TrafficSplit;
                    let measured =
                        split.then(|| self.shares.of(&object, &checked, effect.is_complete(), now)).flatten();
                    let found = Found { checked, effect, link, measured };
                    work.push(settle(self.client.clone(), object, found, known));
                }
                None => {
                    self.shares.forget(&object);
                    self.due.forget(&object);
                    self.known.remove(&object);
                    self.waiting.forget(&object);
                }
            }
        }
        let mut results = futures::stream::iter(work).buffer_unordered(CONCURRENT);
        while let Some((object, result)) = results.next().await {
            let outcome = match result {
                Ok(Settled::Done { known, written, waiting }) => {
                    if waiting {
                        self.due.again(object.clone(), Instant::now());
                    }
                    self.waiting.take(&object, &known.status);
                    self.known.insert(object, known);
                    if !written {
                        continue;
                    }
                    "written"
                }
                Ok(Settled::Gone) => {
                    self.waiting.forget(&object);
                    "gone"
                }
                Err(error) => {
                    tracing::warn!(%object, %error, "couldn't write a status: trying again");
                    self.due.again(object, Instant::now());
                    "failed"
                }
            };
            self.writes.with_label_values(&[outcome]).inc();
        }
    }
}

/// What an object's status is to say.
struct Found {
    checked: Checked,
    effect: InEffect,
    link: Option<Link>,
    /// Of a split.
    measured: Option<Measured>,
}

impl Found {
    /// `before` is what the status said.
    fn dealt(&self, kind: Kind, before: &Dealt) -> Dealt {
        if kind != Kind::TrafficSplit {
            return Dealt::default();
        }
        let accepted = !self.checked.faults.iter().any(|fault| fault.effect == Effect::Excluded);
        let now = (accepted && self.effect.is_complete()).then_some(self.checked.generation);
        // Who has just begun to lead hasn't measured anything: what was found before it stays.
        let kept = before.generation_in_effect == Some(self.checked.generation) && self.measured.is_none();
        Dealt {
            generation_in_effect: now.or(before.generation_in_effect),
            backends: if kept { before.backends.clone() } else { conditions::backends(self.measured.as_ref()) },
        }
    }
}

enum Settled {
    /// The status is what it should be. `waiting`: some fault is still in its grace.
    Done {
        known: Known,
        written: bool,
        waiting: bool,
    },
    Gone,
}

async fn settle(
    client: Client,
    object: ObjectRef,
    found: Found,
    known: Option<Known>,
) -> (ObjectRef, Result<Settled, kube::Error>) {
    let result = write(&client, &object, &found, known).await;
    (object, result)
}

async fn write(
    client: &Client,
    object: &ObjectRef,
    found: &Found,
    known: Option<Known>,
) -> Result<Settled, kube::Error> {
    let Found { checked, effect, link, measured } = found;
    let resource = resource(object);
    let api: Api<DynamicObject> = match object.kind.is_cluster_scoped() {
        true => Api::all_with(client.clone(), &resource),
        false => Api::namespaced_with(client.clone(), &object.name.namespace, &resource),
    };
    let mut known = match known {
        Some(known) => known,
        None => {
            let Some(found) = api.get_opt(&object.name.name).await? else { return Ok(Settled::Gone) };
            // A status that can't be read is one that has to be written anew.
            let said = found.data.get("status").cloned().unwrap_or_default();
            let dealt = serde_json::from_value(said.clone()).unwrap_or_default();
            let status = serde_json::from_value(said).unwrap_or_default();
            Known { uid: checked.uid.clone(), status, dealt, raised: Raised::default() }
        }
    };
    let (link, measured) = (link.as_ref(), measured.as_ref());
    let status = conditions::status(object.kind, &known.status, checked, effect, link, measured, Timestamp::now());
    let dealt = found.dealt(object.kind, &known.dealt);
    let silent = broken::is(broken::Fault::NoStatus) && object.kind.api_version().contains(".smi-spec.io/");
    let differs = (status != known.status || dealt != known.dealt) && !silent;
    if differs {
        let mut patch = json!({ "status": status });
        if let Some(fields) = patch.get_mut("status").and_then(|status| status.as_object_mut()) {
            match object.kind {
                Kind::MeshPeer => {
                    let count = format!("{}/{}", effect.programmed, effect.concerned);
                    fields.insert("trustPropagated".to_owned(), count.into());
                }
                Kind::TrafficSplit => {
                    // What isn't said any more is null, which removes it.
                    fields.insert("generationInEffect".to_owned(), json!(dealt.generation_in_effect));
                    fields.insert("backends".to_owned(), json!(dealt.backends));
                }
                _ => {}
            }
        }
        let patch = Patch::Merge(patch);
        match api.patch_status(&object.name.name, &PatchParams::default(), &patch).await {
            Ok(_) => (known.status, known.dealt) = (status, dealt),
            Err(kube::Error::Api(error)) if error.code == 404 => return Ok(Settled::Gone),
            Err(error) => return Err(error),
        }
    }
    let mut raised = known.raised.clone();
    let (raise, waiting) = raised.update(&checked.faults, Timestamp::now());
    for raise in raise {
        events::publish(client, object, &checked.uid, &raise).await?;
    }
    known.raised = raised;
    Ok(Settled::Done { known, written: differs, waiting })
}

fn resource(object: &ObjectRef) -> ApiResource {
    let api_version = object.kind.api_version();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: api_version.to_owned(),
        kind: object.kind.as_str().to_owned(),
        plural: object.kind.plural().to_owned(),
    }
}
