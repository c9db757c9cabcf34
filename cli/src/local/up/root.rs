//! The root of a mesh of several clusters: made in the first, and brought to the others before their controllers start, as an
//! operator would do it (docs/adr/0013).

use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    runtime::wait::await_condition,
};

use crate::local::mesh;

/// The roots in use, and the keys that the mesh's clusters share.
const SECRET: &str = "isthmus-trust";
/// The first cluster's controller starts meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// Brings it from the first cluster to another. One that is there from an earlier life stays.
pub(super) async fn carry(first: &Client, to: &Client) -> anyhow::Result<()> {
    let there: Api<Secret> = Api::namespaced(first.clone(), mesh::NAMESPACE);
    let is_made = |secret: Option<&Secret>| secret.is_some();
    let waited = tokio::time::timeout(PATIENCE, await_condition(there, SECRET, is_made)).await;
    let found = waited.with_context(|| format!("the first cluster of the mesh has no Secret {SECRET}"))??;
    let found = found.with_context(|| format!("Secret {SECRET} has gone"))?;
    let namespace = Namespace { metadata: named(mesh::NAMESPACE), ..Namespace::default() };
    unless_there(Api::all(to.clone()).create(&PostParams::default(), &namespace).await)?;
    let secret = Secret { metadata: named(SECRET), data: found.data, type_: found.type_, ..Secret::default() };
    let here: Api<Secret> = Api::namespaced(to.clone(), mesh::NAMESPACE);
    unless_there(here.create(&PostParams::default(), &secret).await)
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

fn unless_there<T>(created: kube::Result<T>) -> anyhow::Result<()> {
    match created {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => Ok(other.map(drop)?),
    }
}
