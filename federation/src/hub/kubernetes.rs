//! The hub's records in its cluster's Kubernetes API: one Mesh object for each member, with its bundles and its invitations in
//! the status. No Secret: of an invitation the hub knows a hash, and the hub has no right to Secrets.

mod record;

use std::{fmt::Display, sync::Arc, time::Duration};

use isthmus_core::federation::MeshName;
use isthmus_k8s::{
    federation::{Mesh, MeshSpec, MeshStatus},
    watch::{Change, follow},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    state::{MemberRecord, Stored},
    store::{Kept, Store, StoreError},
};
use crate::{invitation::InvitationId, names::Cluster};

/// How often a write is tried again that another one has overtaken.
const TRIES: usize = 10;
/// How long the watch for Mesh objects may take to begin.
const WATCH_LIMIT: Duration = Duration::from_secs(10);
/// Changes of Mesh objects that wait to be looked at.
const QUEUE: usize = 256;

/// Keeps the hub's records in Mesh objects.
#[derive(Debug, Clone)]
pub struct Kubernetes {
    meshes: Api<Mesh>,
    deleted: Arc<Mutex<mpsc::Receiver<MeshName>>>,
    /// The watch has begun: what is deleted from then on is seen.
    synced: watch::Receiver<bool>,
}

impl Kubernetes {
    /// In this cluster. The watch for Mesh objects that are deleted ends with `stop`.
    pub fn new(client: Client, stop: CancellationToken) -> Self {
        let meshes = Api::all(client.clone());
        let (send, mut changes) = mpsc::channel(QUEUE);
        let (tell, deleted) = mpsc::channel(QUEUE);
        let (known, synced) = watch::channel(false);
        tokio::spawn(async move { follow::<Mesh, _>(client, send, |change| change, stop).await });
        tokio::spawn(async move {
            while let Some(change) = changes.recv().await {
                match change {
                    Change::Synced => drop(known.send_replace(true)),
                    Change::Deleted(name) => match name.name.parse() {
                        // The other end is gone when the hub is.
                        Ok(mesh) => drop(tell.send(mesh).await),
                        Err(error) => tracing::debug!(%error, "a Mesh that was none is gone"),
                    },
                    Change::Applied(_) | Change::Malformed(_) => {}
                }
            }
        });
        Self { meshes, deleted: Arc::new(Mutex::new(deleted)), synced }
    }

    /// Changes the status of a member's Mesh, as it is when it is written. `change` says whether there is anything to write.
    async fn update(
        &self,
        mesh: &MeshName,
        change: impl Fn(&mut MeshStatus) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let what = || format!("Mesh {mesh}");
        for _ in 0..TRIES {
            let mut object = self.meshes.get(mesh.as_str()).await.map_err(|error| unavailable(what(), &error))?;
            if !change(object.status.get_or_insert_default())? {
                return Ok(());
            }
            match self.meshes.replace_status(mesh.as_str(), &PostParams::default(), &object).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(unavailable(what(), &error)),
            }
        }
        Err(StoreError::Changed(what()))
    }

    async fn create(&self, member: &MemberRecord) -> Result<(), StoreError> {
        let spec = MeshSpec {
            trust_domain: member.trust_domain.to_string(),
            cluster: None,
            clusters: None,
            hub: None,
            gateways: None,
            egress: None,
        };
        let object = Mesh::new(member.mesh.as_str(), spec);
        match self.meshes.create(&PostParams::default(), &object).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(unavailable(format!("Mesh {}", member.mesh), &error)),
        }
    }
}

impl Store for Kubernetes {
    async fn load(&self) -> Result<Kept, StoreError> {
        let mut synced = self.synced.clone();
        let began = tokio::time::timeout(WATCH_LIMIT, synced.wait_for(|synced| *synced)).await;
        if !began.is_ok_and(|began| began.is_ok()) {
            return Err(unavailable("Meshes", &format!("no watch within {WATCH_LIMIT:?}")));
        }
        let all = self.meshes.list(&ListParams::default()).await.map_err(|error| unavailable("Meshes", &error))?;
        let mut kept = Kept::default();
        for object in all {
            let name = object.name_any();
            match record::read(object) {
                Ok((member, invitations)) => {
                    kept.members.push(member);
                    kept.invitations.extend(invitations);
                }
                Err(why) => tracing::warn!(mesh = name, why, "a Mesh can't be read: it is left out"),
            }
        }
        Ok(kept)
    }

    async fn save(&self, member: MemberRecord, connected: Vec<Cluster>) -> Result<(), StoreError> {
        let missing =
            self.meshes.get_opt(member.mesh.as_str()).await.map_err(|error| unavailable("Mesh", &error))?.is_none();
        if missing {
            self.create(&member).await?;
        }
        let chain = record::write_chain(&member.chain);
        let clusters: Vec<_> = connected.iter().map(ToString::to_string).collect();
        self.update(&member.mesh, |status| {
            let changed = status.chain != chain || status.clusters != clusters;
            status.chain.clone_from(&chain);
            status.clusters.clone_from(&clusters);
            Ok(changed)
        })
        .await
    }

    async fn put(&self, id: InvitationId, invitation: Stored) -> Result<(), StoreError> {
        let inviter = invitation.record.inviter.clone();
        let written = record::write_invitation(id, &invitation);
        self.update(&inviter, |status| {
            status.invitations.retain(|known| known.id != written.id);
            status.invitations.push(written.clone());
            Ok(true)
        })
        .await
    }

    async fn redeem(&self, id: InvitationId, invitation: Stored) -> Result<(), StoreError> {
        let inviter = invitation.record.inviter.clone();
        let written = record::write_invitation(id, &invitation);
        self.update(&inviter, |status| {
            let known = status.invitations.iter_mut().find(|known| known.id == written.id);
            match known.filter(|known| known.used_by.is_none()) {
                Some(known) => known.clone_from(&written),
                None => return Err(StoreError::Changed(format!("invitation {id}"))),
            }
            Ok(true)
        })
        .await
    }

    async fn forget(&self, inviter: &MeshName, id: InvitationId) -> Result<(), StoreError> {
        let id = id.to_string();
        self.update(inviter, |status| {
            let before = status.invitations.len();
            status.invitations.retain(|known| known.id != id);
            Ok(status.invitations.len() != before)
        })
        .await
    }

    async fn revoked(&self) -> MeshName {
        match self.deleted.lock().await.recv().await {
            Some(mesh) => mesh,
            // The watch has ended with the hub.
            None => std::future::pending().await,
        }
    }
}

fn unavailable(what: impl Into<String>, error: &impl Display) -> StoreError {
    StoreError::Unavailable { what: what.into(), why: error.to_string() }
}
