//! Changing a split's weights, and following the change to the last acknowledgement.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::StreamExt;
use isthmus_k8s::split::TrafficSplit;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    cluster::{Cluster, NAMESPACE, service_name, split},
    fleet::Fleet,
    proxy::Heard,
};

/// How long a change may take before the run counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Changes before those that are measured.
const WARM_UP: u32 = 5;

/// Times of changes, one for each.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// From the write's start to its answer.
    pub(crate) write: Vec<Duration>,
    /// From the write's answer to the last proxy's acknowledgement.
    pub(crate) acknowledged: Vec<Duration>,
    /// From the write's answer to the status that says so.
    pub(crate) programmed: Vec<Duration>,
}

impl Measured {
    /// How many changes were made for so many measured ones.
    pub(crate) fn all_changes(writes: u32) -> f64 {
        f64::from(WARM_UP + writes)
    }

    /// Changes the split of a Service so many times, each when the one before is in effect everywhere.
    pub(crate) async fn of(cluster: &Cluster, fleet: &mut Fleet, service: u32, writes: u32) -> anyhow::Result<Self> {
        let splits: Api<TrafficSplit> = Api::namespaced(cluster.client.clone(), NAMESPACE);
        let subscribers = fleet.subscribers(service);
        let name = service_name(service);
        let mut statuses = statuses(splits.clone(), &name).await?;
        let base = splits.get(&name).await?;
        let base = base.spec.backends.last().and_then(|backend| backend.weight.as_u64()).unwrap_or_default();
        let base = u32::try_from(base)?;
        let mut measured = Self::default();
        for i in 1..=WARM_UP + writes {
            let spec = split(service, base + i, cluster.services());
            let start = Instant::now();
            let patch = Patch::Merge(json!({ "spec": spec }));
            let written = splits.patch(&name, &PatchParams::default(), &patch).await?;
            let answered = Instant::now();
            let generation = written.metadata.generation.context("a split without a generation")?;
            let acknowledged = last_acknowledgement(fleet, cluster.address(service)?, generation, subscribers);
            let acknowledged = timeout(PATIENCE, acknowledged).await;
            let acknowledged = acknowledged.context("some proxy never got a change")??;
            let programmed = timeout(PATIENCE, programmed(&mut statuses, generation, subscribers)).await;
            let programmed = programmed.context("the status never said that a change is in effect")??;
            if i > WARM_UP {
                measured.write.push(answered - start);
                measured.acknowledged.push(acknowledged.saturating_duration_since(answered));
                measured.programmed.push(programmed.saturating_duration_since(answered));
            }
        }
        Ok(measured)
    }
}

/// When the last of the subscribers acknowledged that generation or a newer one.
async fn last_acknowledgement(
    fleet: &mut Fleet,
    host: &str,
    generation: i64,
    subscribers: usize,
) -> anyhow::Result<Instant> {
    let mut have = HashSet::new();
    loop {
        match fleet.heard.recv().await.context("no proxy is left")? {
            Heard::Split { proxy, host: of, generation: g, at } if of == host && g >= generation => {
                have.insert(proxy);
                if have.len() == subscribers {
                    return Ok(at);
                }
            }
            Heard::Split { .. } | Heard::Complete { .. } => {}
        }
    }
}

/// Generations that a status says to be in effect at so many proxies.
type Statuses = mpsc::UnboundedReceiver<(i64, String, Instant)>;

async fn statuses(splits: Api<TrafficSplit>, name: &str) -> anyhow::Result<Statuses> {
    let (send, receive) = mpsc::unbounded_channel();
    let version = splits.get(name).await?.resource_version().unwrap_or_default();
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(290);
    let mut events = Box::pin(splits.watch(&params, &version).await?);
    tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            let WatchEvent::Modified(split) = event else { continue };
            let condition = split.status.as_ref().and_then(|status| status.condition("Programmed"));
            let Some(condition) = condition.filter(|condition| condition.status == "True") else { continue };
            let of = condition.observed_generation.unwrap_or_default();
            if send.send((of, condition.message.clone(), Instant::now())).is_err() {
                return;
            }
        }
    });
    Ok(receive)
}

async fn programmed(statuses: &mut Statuses, generation: i64, subscribers: usize) -> anyhow::Result<Instant> {
    let wanted = format!("{subscribers}/{subscribers} proxies");
    loop {
        let (of, message, at) = statuses.recv().await.context("the watch has ended")?;
        if of >= generation && message == wanted {
            return Ok(at);
        }
    }
}
