//! Which cluster a command is about, and the mesh in it.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_smi_controller::{NAME as CONTROLLER, SYSTEM_NAMESPACE};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};

use crate::cluster::ClusterArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Namespace of the control plane
    #[arg(long, default_value = SYSTEM_NAMESPACE)]
    pub(super) namespace: String,
}

/// The cluster of a mesh that this one is joined with.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PeerArgs {
    /// Kubeconfig of the peer's cluster
    #[arg(long, value_name = "FILE")]
    peer_kubeconfig: Option<PathBuf>,
    /// Context of the peer's cluster [default: the current one of its kubeconfig]
    #[arg(long, value_name = "NAME")]
    peer_context: Option<String>,
}

impl PeerArgs {
    /// `None`: nobody has named it.
    pub(crate) fn cluster(&self, own: &ClusterArgs) -> Option<ClusterArgs> {
        (self.peer_kubeconfig.is_some() || self.peer_context.is_some()).then(|| ClusterArgs {
            // Without one of its own, the peer's context is in the same file.
            kubeconfig: self.peer_kubeconfig.clone().or_else(|| own.kubeconfig.clone()),
            context: self.peer_context.clone(),
        })
    }

    /// The same, with its control plane where this one's is.
    pub(crate) fn target(&self, own: &Target) -> Option<Target> {
        self.cluster(&own.cluster).map(|cluster| Target { cluster, namespace: own.namespace.clone() })
    }
}

/// A cluster, and which mesh it is of.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) client: Client,
    /// Of the control plane.
    pub(crate) namespace: String,
    pub(crate) mesh: MeshName,
    pub(crate) trust_domain: TrustDomain,
}

impl Target {
    pub(crate) async fn side(&self) -> anyhow::Result<Side> {
        Side::of(self.cluster.client().await?, &self.namespace).await
    }
}

impl Side {
    /// Asks the cluster which mesh it is of: its controller was told.
    pub(crate) async fn of(client: Client, namespace: &str) -> anyhow::Result<Self> {
        let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let controller = api.get_opt(CONTROLLER).await.context("asking the cluster for the mesh's controller")?;
        let Some(controller) = controller else {
            bail!(
                "this cluster has no mesh: there is no Deployment {namespace}/{CONTROLLER}; install one, or name the control plane's namespace by --namespace"
            )
        };
        let told = |variable: &str| {
            let env = environment(&controller, variable);
            env.with_context(|| {
                format!(
                    "Deployment {namespace}/{CONTROLLER} has no environment variable {variable}; install the mesh again"
                )
            })
        };
        let (mesh, domain) = (told("ISTHMUS_MESH")?, told("ISTHMUS_TRUST_DOMAIN")?);
        Ok(Self {
            client,
            namespace: namespace.to_owned(),
            mesh: mesh.parse()?,
            trust_domain: TrustDomain::new(domain)?,
        })
    }

    /// The objects of a kind that has no namespace.
    pub(crate) fn all<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }
}

fn environment<'a>(deployment: &'a Deployment, variable: &str) -> Option<&'a str> {
    let containers = deployment.spec.as_ref()?.template.spec.iter().flat_map(|spec| &spec.containers);
    let mut env = containers.flat_map(|container| container.env.iter().flatten());
    env.find(|env| env.name == variable)?.value.as_deref()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use isthmus_smi_controller::install::{InstallConfig, manifests};

    use super::*;

    #[test]
    fn the_controllers_deployment_tells_which_mesh_it_is() {
        let config =
            InstallConfig { mesh: "west".into(), trust_domain: "west.local".into(), ..InstallConfig::default() };
        let is_controller = |m: &&serde_json::Value| m["kind"] == "Deployment" && m["metadata"]["name"] == CONTROLLER;
        let manifest = manifests(&config).iter().find(is_controller).cloned().unwrap();
        let deployment: Deployment = serde_json::from_value(manifest).unwrap();
        assert_eq!(environment(&deployment, "ISTHMUS_MESH"), Some("west"));
        assert_eq!(environment(&deployment, "ISTHMUS_TRUST_DOMAIN"), Some("west.local"));
        assert_eq!(environment(&deployment, "POD_NAME"), None);
    }
}
