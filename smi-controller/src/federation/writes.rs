//! Writing what has been found into objects: only what differs from what was written before.

use std::collections::HashMap;

use isthmus_k8s::federation::{ImportedService, Mesh, MeshPeer};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};

use crate::{
    config::NAME,
    fault::{Kind, ObjectRef},
    index::{self, REVOCATION},
};

/// The API server's objects, and what was written into them.
pub(super) struct Writes {
    pub(super) client: Client,
    statuses: HashMap<ObjectRef, Value>,
    slices: HashMap<String, Value>,
}

impl Writes {
    pub(super) fn new(client: Client) -> Self {
        Self { client, statuses: HashMap::new(), slices: HashMap::new() }
    }

    /// Writes fields of a status, unless they were written so; `volatile` ones are written with others only.
    pub(super) async fn status(
        &mut self,
        object: &ObjectRef,
        fields: Value,
        volatile: Value,
    ) -> Result<(), kube::Error> {
        if self.statuses.get(object) == Some(&fields) {
            return Ok(());
        }
        let mut status = fields.clone();
        if let (Some(status), Value::Object(volatile)) = (status.as_object_mut(), volatile) {
            status.extend(volatile);
        }
        let patch = Patch::Merge(json!({"status": status}));
        let (params, name) = (PatchParams::default(), &object.name.name);
        let written = match object.kind {
            Kind::Mesh => Api::<Mesh>::all(self.client.clone()).patch_status(name, &params, &patch).await.map(drop),
            Kind::MeshPeer => {
                Api::<MeshPeer>::all(self.client.clone()).patch_status(name, &params, &patch).await.map(drop)
            }
            _ => {
                let api: Api<ImportedService> = Api::namespaced(self.client.clone(), &object.name.namespace);
                api.patch_status(name, &params, &patch).await.map(drop)
            }
        };
        match written {
            // It went meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.statuses.insert(object.clone(), fields);
                Ok(())
            }
        }
    }

    /// Forgets what is no more.
    pub(super) fn retain(&mut self, there: impl Fn(&ObjectRef) -> bool) {
        self.statuses.retain(|object, _| there(object));
    }

    /// Creates a Service. One that is there already is somebody else's, or told of in a moment.
    pub(super) async fn create_service(&self, namespace: &str, service: Value) -> Result<(), kube::Error> {
        let service: Service = serde_json::from_value(service).map_err(kube::Error::SerdeError)?;
        match Api::namespaced(self.client.clone(), namespace).create(&PostParams::default(), &service).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) async fn patch_service(&self, service: &index::Service, patch: Value) -> Result<(), kube::Error> {
        let api: Api<Service> = Api::namespaced(self.client.clone(), &service.name.namespace);
        api.patch(&service.name.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    }

    /// Deletes a Service that we have made, with its slices; not one that has come in its place.
    pub(super) async fn delete_service(
        &mut self,
        service: &index::Service,
        slices: [String; 2],
    ) -> Result<(), kube::Error> {
        let (namespace, name) = (&*service.name.namespace, &*service.name.name);
        let api: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let Some(found) = api.get_opt(name).await? else { return Ok(()) };
        let owned = found.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == service.import.as_deref());
        if owned {
            let this = Preconditions { uid: found.uid(), resource_version: None };
            gone(api.delete(name, &DeleteParams { preconditions: Some(this), ..DeleteParams::default() }).await)?;
            let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
            for slice in slices {
                gone(api.delete(&slice, &DeleteParams::default()).await)?;
                self.slices.remove(&format!("{namespace}/{slice}"));
            }
        }
        Ok(())
    }

    /// Writes an EndpointSlice, unless it was written so.
    pub(super) async fn slice(&mut self, namespace: &str, name: &str, slice: Value) -> Result<(), kube::Error> {
        let key = format!("{namespace}/{name}");
        if self.slices.get(&key) == Some(&slice) {
            return Ok(());
        }
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
        api.patch(name, &PatchParams::apply(NAME).force(), &Patch::Apply(&slice)).await?;
        self.slices.insert(key, slice);
        Ok(())
    }

    /// Holds a peer until it is cut off everywhere (`true`), or lets it go.
    pub(super) async fn guard(&self, name: &str, held: bool) -> Result<(), kube::Error> {
        let api: Api<MeshPeer> = Api::all(self.client.clone());
        let Some(mut peer) = api.get_opt(name).await? else { return Ok(()) };
        let finalizers = peer.finalizers_mut();
        let before = finalizers.len();
        finalizers.retain(|finalizer| finalizer != REVOCATION);
        if held {
            finalizers.push(REVOCATION.to_owned());
        }
        if finalizers.len() == before {
            return Ok(());
        }
        // With the version that was read: what somebody else has written meanwhile stands, and is looked at next time.
        match api.replace(name, &PostParams::default(), &peer).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            other => other.map(drop),
        }
    }
}

fn gone<T>(deleted: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match deleted {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    }
}
