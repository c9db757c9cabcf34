//! The SMI objects and Services of a cluster.

use anyhow::Context;
use isthmus_migrate::Document;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, TypeMeta},
    core::GroupVersionKind,
};

use crate::cluster::ClusterArgs;

/// What is read: group, version, kind, plural.
const KINDS: [(&str, &str, &str, &str); 7] = [
    ("", "v1", "Service", "services"),
    ("split.smi-spec.io", "v1alpha4", "TrafficSplit", "trafficsplits"),
    ("specs.smi-spec.io", "v1alpha4", "HTTPRouteGroup", "httproutegroups"),
    ("specs.smi-spec.io", "v1alpha4", "TCPRoute", "tcproutes"),
    ("specs.smi-spec.io", "v1alpha4", "UDPRoute", "udproutes"),
    ("access.smi-spec.io", "v1alpha4", "TrafficTarget", "traffictargets"),
    ("access.smi-spec.io", "v1alpha4", "IdentityBinding", "identitybindings"),
];

pub(super) fn read(cluster: &ClusterArgs, namespace: Option<&str>, all: bool) -> anyhow::Result<Vec<Document>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = cluster.client().await?;
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        let mut documents = Vec::new();
        for (group, version, kind, plural) in KINDS {
            let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
            let api: Api<DynamicObject> = if all {
                Api::all_with(client.clone(), &resource)
            } else {
                Api::namespaced_with(client.clone(), &namespace, &resource)
            };
            let list = api.list(&ListParams::default()).await.with_context(|| format!("listing {plural}"))?;
            for mut object in list {
                // Items of a list don't say what they are.
                object.types = Some(TypeMeta { api_version: resource.api_version.clone(), kind: kind.to_owned() });
                documents.push(Document { source: "cluster".to_owned(), value: serde_json::to_value(&object)? });
            }
        }
        Ok(documents)
    })
}
