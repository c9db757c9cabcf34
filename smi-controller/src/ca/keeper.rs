//! Following the roots in use, and, on the replica that leads, rotating them.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::id::ObjectName;
use isthmus_federation::names::Cluster;
use isthmus_identity::{Authority, Census, Facts, PeerStanding, Phase, Rotation, Step, TrustStore, Waiting};
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    CaError, Names, Role, Roots, TrustMetrics,
    between::KeeperEnd,
    census, role, stored,
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
    /// What is between this cluster and the mesh's others.
    pub(crate) others: KeeperEnd,
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
        let role = self.parts.hub.with(|registry| Role::here(registry.index()));
        let wanted = match &role {
            Role::First { .. } => self.wanted(&present).await?,
            Role::Follower { first } => {
                let given = self.parts.others.given.borrow().clone();
                if let Some(given) = given.filter(|given| given.rotation.sequence > present.rotation.sequence) {
                    return self.follow(secret, &given, first).await;
                }
                self.keep(first, &present).await?;
                present.goal().clone()
            }
        };
        let census = self.census(&present.rotation);
        let step = self.step(&role, &present, &wanted, &census);
        match (&role, step) {
            (Role::First { .. }, Step::Advance(next)) => {
                let mut authorities = present.all();
                authorities.push(wanted);
                let (chain, tokens) = (present.chain().clone(), present.tokens().clone());
                let Some(roots) = Roots::of(next, &authorities, chain, tokens)? else { return Ok(()) };
                let note = telling::step(present.rotation.phase, next.phase, &census);
                self.store(secret, &roots).await?;
                self.adopt(roots)?;
                self.note(note).await;
                Ok(())
            }
            (_, Step::Stay(waiting)) => self.tell(&present.rotation, &census, waiting, &role, &secret).await,
            (Role::Follower { first }, Step::Advance(_)) => {
                let waiting = Waiting::For(format!("cluster {first}, which rotates the mesh's root"));
                self.tell(&present.rotation, &census, Some(waiting), &role, &secret).await
            }
        }
    }

    /// Takes the state of the mesh's first cluster over.
    async fn follow(&self, secret: Secret, given: &Roots, first: &Cluster) -> Result<(), CaError> {
        let (chain, tokens) = (given.chain().clone(), given.tokens().clone());
        let Some(roots) = Roots::of(given.rotation, &given.all(), chain, tokens)? else { return Ok(()) };
        self.store(secret, &roots).await?;
        tracing::info!(%first, sequence = roots.rotation.sequence, "following the first cluster of the mesh");
        self.adopt(roots)
    }

    /// Has the same wish as the first cluster; somebody may ask this one for what is the other's to do.
    async fn keep(&self, first: &Cluster, present: &Roots) -> Result<(), CaError> {
        if wanted::keep(&self.api, &self.parts.names, present).await? {
            let message = format!("cluster {first} rotates the root of this mesh, and this one follows: ask there");
            self.note(Note { reason: "RotationDeclined", message, warning: true }).await;
        }
        Ok(())
    }

    fn census(&mut self, rotation: &Rotation) -> Census {
        if self.done.0 != rotation.sequence {
            self.done = (rotation.sequence, BTreeSet::new());
        }
        let duty = rotation.phase.duty();
        let (expected, connected) =
            self.parts.hub.with(|registry| (registry.expected_proxies(), registry.standings(duty)));
        let census = census::count(expected, &connected, &mut self.done.1);
        self.parts.metrics.census(&census);
        census
    }

    /// What is to happen in this cluster, and tells the mesh's others how far it is.
    fn step(&self, role: &Role, present: &Roots, wanted: &Authority, census: &Census) -> Step {
        let rotation = present.rotation;
        let written = *self.parts.webhooks.borrow();
        let unwritten =
            (written < rotation.sequence).then(|| "the webhook configurations to hold the roots".to_owned());
        // Who follows waits for its own proxies; for everybody else the first cluster does.
        let (peers, others) = match role {
            Role::First { .. } => {
                let siblings = self.parts.others.siblings.borrow();
                (self.parts.peers.borrow().clone(), role.obstacle(&siblings, rotation.sequence))
            }
            Role::Follower { .. } => (Vec::new(), None),
        };
        let unheard = self.parts.hub.with(|registry| registry.waits_for_replica(rotation.sequence));
        let obstacle = unheard.or(unwritten).or(others);
        let facts = Facts {
            wanted: wanted.root(),
            signer_expired: present.signer().not_after() < SystemTime::now(),
            leaf_lifetime: self.parts.leaf_lifetime,
            census,
            peers: &peers,
            obstacle: obstacle.as_deref(),
        };
        let step = rotation.step(&facts, SystemTime::now());
        let complete = !matches!(step, Step::Stay(Some(_)));
        self.parts.others.progress.send_replace(role::progress(rotation.sequence, census, complete));
        step
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
        let line = telling::progress(&roots.rotation, &Census::default(), None);
        secret.annotations_mut().insert(ROTATION.to_owned(), line);
        let name = &self.parts.names.stored;
        let done = self.api.replace(&name.name, &PostParams::default(), &secret).await;
        done.map(drop).map_err(CaError::kubernetes(name))
    }

    async fn tell(
        &mut self,
        rotation: &Rotation,
        census: &Census,
        waiting: Option<Waiting>,
        role: &Role,
        secret: &Secret,
    ) -> Result<(), CaError> {
        let line = format!("{}{role}", telling::progress(rotation, census, waiting.as_ref()));
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
