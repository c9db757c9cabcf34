//! Making objects agree with what has been found. One that can't be written holds up no other, and is tried again.

use std::time::{Duration, Instant};

use isthmus_core::id::ObjectName;
use serde_json::{Value, json};

use super::Lead;
use crate::{
    compile::Imported,
    fault::{Kind, ObjectRef},
    federation::{
        revocation::Revocation,
        services::{self, Step},
        statuses,
    },
    index::{Object, Peer},
};

/// How long a receipt is there to be read before its object goes.
const RECEIPT_SHOWN: Duration = Duration::from_secs(1);

/// A peer that is being cut off.
pub(super) struct Cutting {
    revocation: Revocation,
    /// The receipt was written then.
    done: Option<Instant>,
}

impl Lead<'_> {
    pub(super) async fn write(&mut self, has_member: bool) {
        let written = self.write_mesh(has_member).await;
        warn(written, "Mesh", &self.own.mesh);
        for (mesh, peer) in self.outlook.peers.clone() {
            if !peer.content.guarded {
                warn(self.writes.guard(&peer.name.name, true).await, "MeshPeer", &mesh);
            }
            let status = statuses::peer(&mesh, &self.session, Instant::now());
            let written = self.write_status(&named(Kind::MeshPeer, &peer.name), status, json!({})).await;
            warn(written, "MeshPeer", &mesh);
        }
        for orphan in self.outlook.orphans.clone() {
            let slices = services::slice_names(&orphan.name.name);
            warn(self.writes.delete_service(&orphan, slices).await, "Service", &orphan.name);
        }
        for imported in self.outlook.imports.clone() {
            warn(self.write_import(&imported).await, "ImportedService", &imported.import.name);
        }
        let outlook = &self.outlook;
        self.writes.retain(|object| match object.kind {
            Kind::MeshPeer => outlook.peers.values().chain(&outlook.leaving).any(|peer| peer.name == object.name),
            Kind::ImportedService => outlook.imports.iter().any(|imported| imported.import.name == object.name),
            _ => outlook.mesh.as_ref().is_some_and(|mesh| mesh.name == object.name),
        });
    }

    pub(super) async fn write_mesh(&mut self, has_member: bool) -> Result<(), kube::Error> {
        let Some(mesh) = &self.outlook.mesh else { return Ok(()) };
        let object = named(Kind::Mesh, &mesh.name);
        let own = statuses::own_bundle(self.parts.roots.borrow().chain());
        let status = statuses::mesh(&self.own.mesh, own.as_ref(), &self.session, has_member);
        self.write_status(&object, status, json!({})).await
    }

    async fn write_status(&mut self, object: &ObjectRef, fields: Value, volatile: Value) -> Result<(), kube::Error> {
        let seen = self.parts.hub.with(|registry| registry.seen().status(object));
        self.writes.status(object, fields, volatile, seen).await
    }

    async fn write_import(&mut self, imported: &Imported) -> Result<(), kube::Error> {
        let Imported { import, service, .. } = imported;
        let content = self.session.catalogs.content(&import.content, Instant::now());
        let heard = statuses::heard(&self.session, import.content.from.as_ref().map(|(mesh, _)| mesh));
        let object = named(Kind::ImportedService, &import.name);
        self.write_status(&object, statuses::import(&content), heard).await?;
        let namespace = &*import.name.namespace;
        match (services::step(imported, self.session.catalogs.ports(&import.content)), service) {
            (Some(Step::Create(service)), _) => self.writes.create_service(namespace, service).await?,
            (Some(Step::Patch(patch)), Some(service)) => self.writes.patch_service(service, patch).await?,
            _ => {}
        }
        let ours = service.as_ref().filter(|service| imported.counts && services::is_ours(import, service));
        let Some(service) = ours else { return Ok(()) };
        let remote = content.clusters.iter().flat_map(|cluster| &cluster.gateways).filter_map(|text| text.parse().ok());
        let mut gateways = self.outlook.egress.clone().unwrap_or_else(|| remote.collect());
        gateways.sort();
        gateways.dedup();
        for (name, slice) in services::slices(import, service, &gateways) {
            let name = ObjectName::new(namespace, name);
            let seen = self.parts.hub.with(|registry| registry.seen().slice(&name));
            self.writes.slice(name, slice, seen).await?;
        }
        Ok(())
    }

    /// Cuts peers off that are deleted: they are compiled without already, and here that is waited for and told.
    pub(super) async fn cut_off(&mut self) {
        let leaving = self.outlook.leaving.clone();
        self.cutting.retain(|name, _| leaving.iter().any(|peer| peer.name == *name));
        for peer in leaving {
            warn(self.cut_one(&peer).await, "MeshPeer", &peer.name.name);
        }
    }

    async fn cut_one(&mut self, peer: &Object<Peer>) -> Result<(), kube::Error> {
        let now = Instant::now();
        let farewell = self.parts.hub.with(|registry| registry.farewell(&peer.name));
        let began = self.told;
        let cutting = self.cutting.entry(peer.name.clone());
        let cutting = cutting.or_insert_with(|| Cutting { revocation: Revocation::begin(began), done: None });
        if let Some(done) = cutting.done {
            if now.saturating_duration_since(done) >= RECEIPT_SHOWN {
                self.writes.guard(&peer.name.name, false).await?;
            }
            return Ok(());
        }
        if let Some(receipt) = cutting.revocation.look(&farewell, peer.content.bundle.is_some(), now) {
            // A struct of numbers can't fail to become JSON.
            let text = serde_json::to_string(&receipt).unwrap_or_default();
            tracing::info!(mesh = %peer.name.name, receipt = text, "revoked");
            let status = json!({"revocation": text});
            let object = named(Kind::MeshPeer, &peer.name);
            let seen = self.parts.hub.with(|registry| registry.seen().status(&object));
            self.writes.status(&object, status, json!({}), seen).await?;
            cutting.done = Some(now);
        }
        Ok(())
    }
}

fn named(kind: Kind, name: &ObjectName) -> ObjectRef {
    ObjectRef { kind, name: name.clone() }
}

fn warn(result: Result<(), kube::Error>, kind: &str, name: &impl std::fmt::Display) {
    if let Err(error) = result {
        tracing::warn!(%error, kind, %name, "couldn't write what other meshes have to do with it: trying again");
    }
}
