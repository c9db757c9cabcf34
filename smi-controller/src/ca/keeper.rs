//! Following the roots in use, and, on the replica that leads, rotating them.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::id::ObjectName;
use isthmus_identity::{Authority, Facts, PeerStanding, Phase, Step, TrustStore};
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    CaError, Names, Roots, TrustMetrics, census, stored,
    telling::{self, Note},
    wanted,
};
use crate::{annotations::ROTATION, serve::Hub};

/// How often the Secrets are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// What a keeper is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) names: Names,
    pub(crate) leaf_lifetime: Duration,
    pub(crate) hub: Arc<Hub>,
    pub(crate) leader: watch::Receiver<bool>,
    /// Where everybody looks for the roots.
    pub(crate) roots: watch::Sender<Arc<Roots>>,
    /// The roots of the listener for proxies.
    pub(crate) listener: Arc<TrustStore>,
    /// The sequence of the bundle in the webhook configurations.
    pub(crate) webhooks: watch::Receiver<u64>,
    /// How far other meshes are with the bundle.
    pub(crate) peers: watch::Receiver<Vec<PeerStanding>>,
    pub(crate) metrics: TrustMetrics,
}

/// The task.
pub(crate) struct Keeper {
    parts: Parts,
    api: Api<Secret>,
    /// Who has done its part in the phase of this sequence.
    done: (u64, BTreeSet<ObjectName>),
    /// What was told last of a root that can't be used.
    refusal: Option<String>,
    /// The progress told last.
    told: String,
}

impl Keeper {
    pub(crate) fn new(parts: Parts) -> Self {
        let api = Api::namespaced(parts.client.clone(), &parts.names.stored.namespace);
        parts.metrics.roots(&parts.roots.borrow());
        Self { parts, api, done: (0, BTreeSet::new()), refusal: None, told: String::new() }
    }

    /// Until `stop`, from when all pods are known: a proxy that isn't known of can't be waited for.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let work = async {
            let hub = self.parts.hub.clone();
            hub.synced().await;
            loop {
                if let Err(error) = self.look().await {
                    tracing::warn!(%error, "couldn't look after the roots: trying again");
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    async fn look(&mut self) -> Result<(), CaError> {
        let failed = CaError::kubernetes(&self.parts.names.stored);
        let stored = self.api.get_opt(&self.parts.names.stored.name).await.map_err(failed)?;
        if let Some(secret) = &stored {
            let found = stored::read(&self.parts.names, secret)?;
            if found.rotation.sequence > self.present().rotation.sequence {
                self.adopt(found)?;
            }
        }
        let leads = *self.parts.leader.borrow();
        match stored {
            Some(secret) if leads => self.lead(secret).await,
            // Somebody has deleted it: what is in use stays in use.
            None if leads => {
                let secret = stored::write(&self.parts.names, &self.present());
                self.api.create(&PostParams::default(), &secret).await.map_err(failed).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn present(&self) -> Arc<Roots> {
        self.parts.roots.borrow().clone()
    }

    /// Puts these roots into use: first who verifies by them, then who signs by them.
    fn adopt(&self, roots: Roots) -> Result<(), CaError> {
        let bundles = vec![roots.bundle()];
        self.parts.listener.replace(&bundles)?;
        self.parts.hub.with(|registry| registry.set_bundles(bundles));
        self.parts.metrics.roots(&roots);
        tracing::info!(phase = ?roots.rotation.phase, sequence = roots.rotation.sequence, "roots in use");
        self.parts.roots.send_replace(Arc::new(roots));
        Ok(())
    }

    async fn lead(&mut self, secret: Secret) -> Result<(), CaError> {
        let present = self.present();
        let rotation = present.rotation;
        let wanted = self.wanted(&present).await?;
        if self.done.0 != rotation.sequence {
            self.done = (rotation.sequence, BTreeSet::new());
        }
        let duty = rotation.phase.duty();
        let (expected, connected, unheard) = self.parts.hub.with(|registry| {
            let unheard = registry.waits_for_replica(rotation.sequence);
            (registry.expected_proxies(), registry.standings(duty), unheard)
        });
        let census = census::count(expected, &connected, &mut self.done.1);
        self.parts.metrics.census(&census);
        let written = *self.parts.webhooks.borrow();
        let peers = self.parts.peers.borrow().clone();
        let facts = Facts {
            wanted: wanted.root(),
            signer_expired: present.signer().not_after() < SystemTime::now(),
            leaf_lifetime: self.parts.leaf_lifetime,
            census: &census,
            peers: &peers,
            obstacle: match &unheard {
                Some(replica) => Some(replica),
                None => (written < rotation.sequence).then_some("the webhook configurations to hold the roots"),
            },
        };
        match rotation.step(&facts, SystemTime::now()) {
            Step::Stay(waiting) => {
                let line = telling::progress(&rotation, &census, waiting.as_ref());
                self.tell(line, &secret).await
            }
            Step::Advance(next) => {
                let mut authorities = present.all();
                authorities.push(wanted);
                let (chain, tokens) = (present.chain().clone(), present.tokens().clone());
                let Some(roots) = Roots::of(next, &authorities, chain, tokens)? else { return Ok(()) };
                let note = telling::step(rotation.phase, next.phase, &census);
                self.store(secret, &roots).await?;
                self.adopt(roots)?;
                self.note(note).await;
                Ok(())
            }
        }
    }

    /// The root that the mesh is to have. One that can't be used changes nothing, and is told of once.
    async fn wanted(&mut self, present: &Roots) -> Result<Arc<Authority>, CaError> {
        let note = match wanted::renew(&self.api, &self.parts.names, present.goal()).await {
            Ok(found) => {
                self.refusal = None;
                if let Some(message) = found.declined {
                    self.note(Note { reason: "RotationDeclined", message, warning: true }).await;
                }
                return Ok(found.root);
            }
            Err(error @ CaError::Kubernetes { .. }) => return Err(error),
            Err(error) => telling::refused(&error, present.signer().root()),
        };
        if self.refusal.as_ref() != Some(&note.message) {
            self.refusal = Some(note.message.clone());
            self.note(note).await;
        }
        let target = match present.rotation.phase {
            Phase::Publishing { next, .. } => present.all().into_iter().find(|root| root.root() == next),
            Phase::Steady { .. } | Phase::Turning { .. } => None,
        };
        Ok(target.unwrap_or_else(|| present.signer().clone()))
    }

    /// Writes the roots over what was read, unless it has been written to since.
    async fn store(&self, read: Secret, roots: &Roots) -> Result<(), CaError> {
        let mut secret = Secret { metadata: read.metadata, ..stored::write(&self.parts.names, roots) };
        let line = telling::progress(&roots.rotation, &isthmus_identity::Census::default(), None);
        secret.annotations_mut().insert(ROTATION.to_owned(), line);
        let name = &self.parts.names.stored;
        let done = self.api.replace(&name.name, &PostParams::default(), &secret).await;
        done.map(drop).map_err(CaError::kubernetes(name))
    }

    async fn tell(&mut self, line: String, secret: &Secret) -> Result<(), CaError> {
        if secret.annotations().get(ROTATION) == Some(&line) {
            return Ok(());
        }
        if self.told != line {
            tracing::info!(progress = line, "rotation of the root");
        }
        let patch = json!({"metadata": {"annotations": {ROTATION: line}}});
        self.told = line;
        self.patch(&patch).await
    }

    async fn patch(&self, patch: &serde_json::Value) -> Result<(), CaError> {
        let name = &self.parts.names.stored;
        let done = self.api.patch(&name.name, &PatchParams::default(), &Patch::Merge(patch)).await;
        done.map(drop).map_err(CaError::kubernetes(name))
    }

    /// Raises an Event of the Secret with the wanted root. It is a courtesy: failing costs only itself.
    async fn note(&self, note: Note) {
        tracing::info!(reason = note.reason, message = note.message, "root");
        let secret = &self.parts.names.wanted;
        let api: Api<Event> = Api::namespaced(self.parts.client.clone(), &secret.namespace);
        if let Err(error) = api.create(&PostParams::default(), &telling::event(secret, &note)).await {
            tracing::warn!(%error, reason = note.reason, "couldn't raise an Event");
        }
    }
}
