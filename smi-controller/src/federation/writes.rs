//! Writing what has been found into objects: only what differs from what was written before, or was changed by somebody else since.

use std::collections::HashMap;

use isthmus_core::id::ObjectName;
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
    index::{
        self, REVOCATION,
        seen::{Print, Printed},
    },
};

/// The API server's objects, and what was written into them.
pub(super) struct Writes {
    pub(super) client: Client,
    statuses: HashMap<ObjectRef, Written>,
    slices: HashMap<ObjectName, Written>,
}

/// What was written into an object.
struct Written {
    what: Value,
    became: Print,
    /// What the watch had shown by then.
    before: Option<Print>,
    /// The watch has shown it.
    confirmed: bool,
}

impl Written {
    fn new(what: Value, became: Print, before: Option<Print>) -> Self {
        Self { what, became, before, confirmed: before == Some(became) }
    }

    /// Was it this, and is it still so, as far as the watch has come?
    fn stands(&mut self, what: &Value, seen: Option<Print>) -> bool {
        self.confirmed |= seen == Some(self.became);
        self.what == *what && if self.confirmed { seen == Some(self.became) } else { seen == self.before }
    }
}

impl Writes {
    pub(super) fn new(client: Client) -> Self {
        Self { client, statuses: HashMap::new(), slices: HashMap::new() }
    }

    /// Writes fields of a status, unless they are there; `volatile` ones are written with others only. `seen` is what the watch shows
    /// of it.
    pub(super) async fn status(
        &mut self,
        object: &ObjectRef,
        fields: Value,
        volatile: Value,
        seen: Option<Print>,
    ) -> Result<(), kube::Error> {
        if self.statuses.get_mut(object).is_some_and(|written| written.stands(&fields, seen)) {
            return Ok(());
        }
        let mut status = fields.clone();
        if let (Some(status), Value::Object(volatile)) = (status.as_object_mut(), volatile) {
            status.extend(volatile);
        }
        let patch = Patch::Merge(json!({"status": status}));
        let (params, name) = (PatchParams::default(), &object.name.name);
        let written = match object.kind {
            Kind::Mesh => {
                Api::<Mesh>::all(self.client.clone()).patch_status(name, &params, &patch).await.map(|now| now.print())
            }
            Kind::MeshPeer => Api::<MeshPeer>::all(self.client.clone())
                .patch_status(name, &params, &patch)
                .await
                .map(|now| now.print()),
            _ => {
                let api: Api<ImportedService> = Api::namespaced(self.client.clone(), &object.name.namespace);
                api.patch_status(name, &params, &patch).await.map(|now| now.print())
            }
        };
        match written {
            // It went meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
            Ok(became) => {
                self.statuses.insert(object.clone(), Written::new(fields, became, seen));
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
                self.slices.remove(&ObjectName::new(namespace, slice.as_str()));
            }
        }
        Ok(())
    }

    /// Writes an EndpointSlice, unless it is there. `seen` is what the watch shows of it.
    pub(super) async fn slice(
        &mut self,
        name: ObjectName,
        slice: Value,
        seen: Option<Print>,
    ) -> Result<(), kube::Error> {
        if self.slices.get_mut(&name).is_some_and(|written| written.stands(&slice, seen)) {
            return Ok(());
        }
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &name.namespace);
        let now = api.patch(&name.name, &PatchParams::apply(NAME).force(), &Patch::Apply(&slice)).await?;
        self.slices.insert(name, Written::new(slice, now.print(), seen));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_has_changed_or_deleted_does_not_stand() {
        let [before, ours, theirs] = ["before", "ours", "theirs"].map(|text| Some(Print::of(&text)));
        let what = json!({"endpoints": 1});
        let mut written = Written::new(what.clone(), ours.unwrap(), before);
        assert!(written.stands(&what, before), "the watch hasn't come so far");
        assert!(!written.stands(&json!({"endpoints": 2}), before), "it should be something else");
        assert!(!written.stands(&what, theirs) && written.stands(&what, ours));
        for changed in [theirs, before, None] {
            assert!(!written.stands(&what, changed), "{changed:?}");
        }
    }
}
