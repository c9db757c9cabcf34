//! Changing a Service's split or endpoints, and following each change to the last acknowledgement.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::StreamExt;
use isthmus_k8s::split::TrafficSplit;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    cluster::{Cluster, NAMESPACE, PORT, service_name, split},
    fleet::Fleet,
    proxy::{Heard, News},
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
    /// From the write's answer to the status that says so. Endpoints have none.
    pub(crate) programmed: Vec<Duration>,
}

impl Measured {
    /// How many changes were made for so many measured ones.
    pub(crate) fn all_changes(writes: u32) -> f64 {
        f64::from(WARM_UP + writes)
    }

    /// Changes the weights of a Service's split so many times, each when the one before is in effect everywhere.
    pub(crate) async fn splits(
        cluster: &Cluster,
        fleet: &mut Fleet,
        service: u32,
        writes: u32,
    ) -> anyhow::Result<Self> {
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
            let is_it = |news: &News| matches!(news, News::Split(heard) if *heard >= generation);
            let acknowledged = last_acknowledgement(fleet, cluster.address(service)?, subscribers, is_it).await?;
            let programmed = timeout(PATIENCE, programmed(&mut statuses, generation, subscribers)).await;
            let programmed = programmed.context("the status never said that a change is in effect")??;
            if i > WARM_UP {
                measured.add(start, answered, acknowledged);
                measured.programmed.push(programmed.saturating_duration_since(answered));
            }
        }
        Ok(measured)
    }

    /// Replaces one of a Service's endpoints so many times.
    pub(crate) async fn endpoints(
        cluster: &Cluster,
        fleet: &mut Fleet,
        service: u32,
        writes: u32,
    ) -> anyhow::Result<Self> {
        let slices: Api<EndpointSlice> = Api::namespaced(cluster.client.clone(), NAMESPACE);
        let subscribers = fleet.subscribers(service);
        let name = format!("{}-1", service_name(service));
        let mut measured = Self::default();
        for i in 1..=WARM_UP + writes {
            let address = format!("10.44.{}.{}", i / 250, i % 250 + 1);
            let slice = cluster.endpoints(service, Some(address.clone()));
            let start = Instant::now();
            slices.patch(&name, &PatchParams::default(), &Patch::Merge(slice)).await?;
            let answered = Instant::now();
            let wanted = News::Endpoint(format!("{address}:{PORT}"));
            let acknowledged =
                last_acknowledgement(fleet, cluster.address(service)?, subscribers, |news| *news == wanted).await?;
            if i > WARM_UP {
                measured.add(start, answered, acknowledged);
            }
        }
        // As it was, for the next run.
        let slice = Patch::Merge(cluster.endpoints(service, None));
        slices.patch(&name, &PatchParams::default(), &slice).await?;
        Ok(measured)
    }

    fn add(&mut self, start: Instant, answered: Instant, acknowledged: Instant) {
        self.write.push(answered - start);
        self.acknowledged.push(acknowledged.saturating_duration_since(answered));
    }
}

/// When the last of the subscribers acknowledged it.
async fn last_acknowledgement(
    fleet: &mut Fleet,
    host: &str,
    subscribers: usize,
    is_it: impl Fn(&News) -> bool,
) -> anyhow::Result<Instant> {
    let mut have = HashSet::new();
    let all = async {
        loop {
            match fleet.heard.recv().await.context("no proxy is left")? {
                Heard::News { proxy, host: of, news, at } if of == host && is_it(&news) => {
                    have.insert(proxy);
                    if have.len() == subscribers {
                        return Ok(at);
                    }
                }
                Heard::News { .. } | Heard::Complete { .. } => {}
            }
        }
    };
    timeout(PATIENCE, all).await.context("some proxy never got a change")?
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
