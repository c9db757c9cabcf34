//! Two meshes, and the shop of each.

use std::time::Duration;

use anyhow::{Context, bail};
use isthmus_federation::invitation::Invitation;
use isthmus_k8s::federation::{Freshness, ImportedService, Mesh};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde_json::json;

use super::shop::{Answer, Example, NAMESPACE, Shop};
use crate::{
    federation::{Side, invite, join},
    local::mesh,
    progress::Progress,
};

/// How long objects, controllers and pods may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a name is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// The invitation is used at once.
const EXPIRES: Duration = Duration::from_secs(600);

example!(EAST_SHOP, "federation/east/01-shop.yaml");
example!(EAST_CALLERS, "federation/east/02-own-callers.yaml");
example!(WEST_SHOP, "federation/west/01-shop.yaml");
example!(WEST_CALLERS, "federation/west/02-own-callers.yaml");

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    East,
    West,
}

impl Which {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::East => "east",
            Self::West => "west",
        }
    }
}

pub(super) struct Pair {
    pub(super) east: One,
    pub(super) west: One,
}

pub(super) struct One {
    pub(super) side: Side,
    pub(super) shop: Shop,
}

impl Pair {
    /// Deploys both shops.
    pub(super) async fn of(progress: &Progress, east: Client, west: Client) -> anyhow::Result<Self> {
        let mut pair = Self { east: One::of(east).await?, west: One::of(west).await? };
        for (one, files) in
            [(&mut pair.east, [&EAST_SHOP, &EAST_CALLERS]), (&mut pair.west, [&WEST_SHOP, &WEST_CALLERS])]
        {
            for file in files {
                progress.step(file.file, async { one.shop.apply(file).await.map(drop) }).await?;
            }
        }
        for one in [&mut pair.east, &mut pair.west] {
            let what = format!("every pod of {} ready", one.side.mesh);
            progress.step(&what, one.shop.wait_ready()).await?;
            one.shop.open_door("web").await?;
        }
        pair.east.shop.open_door("batch").await?;
        Ok(pair)
    }

    pub(super) async fn apply(&mut self, which: Which, example: &Example) -> anyhow::Result<()> {
        self.one(which).shop.apply(example).await.map(drop)
    }

    fn one(&mut self, which: Which) -> &mut One {
        match which {
            Which::East => &mut self.east,
            Which::West => &mut self.west,
        }
    }

    /// As two people do it: one makes an invitation, the other takes it up.
    pub(super) async fn join(&self) -> anyhow::Result<join::Joined> {
        let progress = Progress::silent();
        let invited = invite::invite(&self.east.side, EXPIRES, Some(&self.west.side.mesh), &progress).await?;
        join::join(&self.west.side, &Invitation::parse(&invited.invitation)?, &progress).await
    }
}

impl One {
    async fn of(client: Client) -> anyhow::Result<Self> {
        Ok(Self { side: Side::of(client.clone(), mesh::NAMESPACE).await?, shop: Shop::new(client) })
    }

    /// Waits until an import can be called, and its name is known.
    pub(super) async fn fresh(&self, import: &str) -> anyhow::Result<()> {
        let api: Api<ImportedService> = Api::namespaced(self.side.client.clone(), NAMESPACE);
        let fresh = |import: Option<&ImportedService>| {
            let status = import.and_then(|import| import.status.as_ref());
            status.is_some_and(|status| status.state == Freshness::Fresh && status.endpoints > 0)
        };
        if tokio::time::timeout(PATIENCE, await_condition(api.clone(), import, fresh)).await.is_err() {
            let status = api.get(import).await?.status;
            bail!("{import} isn't fresh after {} s: {}", PATIENCE.as_secs(), serde_json::to_string(&status)?);
        }
        let url = format!("http://{import}/healthz");
        let known = async {
            while self.ask("web", &url).await.is_err() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, known).await;
        waited.with_context(|| format!("the name {import} isn't known after {} s", PATIENCE.as_secs()))
    }

    /// Has so many replicas run, and waits until no more and no fewer are ready.
    pub(super) async fn scale(&self, namespace: &str, deployment: &str, replicas: i32) -> anyhow::Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.side.client.clone(), namespace);
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        api.patch(deployment, &PatchParams::default(), &patch).await?;
        let there = |deployment: Option<&Deployment>| {
            let status = deployment.and_then(|deployment| deployment.status.as_ref());
            status.is_some_and(|status| {
                status.replicas.unwrap_or(0) == replicas && status.ready_replicas.unwrap_or(0) == replicas
            })
        };
        let waited = tokio::time::timeout(PATIENCE, await_condition(api, deployment, there)).await;
        waited.with_context(|| format!("{deployment} hasn't {replicas} replicas after {} s", PATIENCE.as_secs()))??;
        Ok(())
    }

    /// Waits until the controller has a session with the hub, or has none.
    pub(super) async fn hub_is(&self, connected: bool) -> anyhow::Result<()> {
        let api: Api<Mesh> = self.side.all();
        let told = |mesh: Option<&Mesh>| {
            let hub = mesh.and_then(|mesh| mesh.status.as_ref()?.hub.as_ref());
            hub.is_some_and(|hub| hub.connected == connected)
        };
        let waited = tokio::time::timeout(PATIENCE, await_condition(api, self.side.mesh.as_str(), told)).await;
        waited.with_context(|| format!("{} doesn't say that the hub is connected: {connected}", self.side.mesh))??;
        Ok(())
    }

    pub(super) async fn ask(&self, app: &str, url: &str) -> anyhow::Result<Answer> {
        self.shop.ask(app, "GET", url, json!({})).await
    }
}
