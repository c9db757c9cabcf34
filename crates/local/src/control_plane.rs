//! The API server: the embedded one, or the real one.

mod assets;
mod embedded;
mod proxy;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use isthmus_local_apiserver::Pki;
use isthmus_local_node::Router;

use crate::cluster::Error;
pub(crate) use assets::AssetError;
pub(crate) use assets::end_leftovers;

/// The variable that names a directory with the real `etcd` and `kube-apiserver`, as envtest has it. They take the embedded API server's
/// place.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// What an API server is told.
pub(crate) struct Setup {
    pub(crate) pki_dir: Option<PathBuf>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
    /// On 127.0.0.1; 0 is any.
    pub(crate) port: u16,
    pub(crate) router: Arc<Router>,
    pub(crate) service_cidr: String,
    pub(crate) names: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// A running API server.
pub(crate) enum ControlPlane {
    Embedded(embedded::Embedded),
    Assets(Box<assets::Assets>),
}

impl ControlPlane {
    pub(crate) async fn start(setup: Setup) -> Result<Self, Error> {
        match std::env::var_os(ASSETS).filter(|value| !value.is_empty()) {
            Some(directory) => {
                Ok(ControlPlane::Assets(Box::new(assets::Assets::start(directory.into(), setup).await?)))
            }
            None => Ok(ControlPlane::Embedded(embedded::Embedded::start(setup).await?)),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            ControlPlane::Embedded(server) => server.url(),
            ControlPlane::Assets(server) => server.url(),
        }
    }

    pub(crate) fn kubeconfig(&self) -> &str {
        match self {
            ControlPlane::Embedded(server) => server.kubeconfig(),
            ControlPlane::Assets(server) => server.kubeconfig(),
        }
    }

    pub(crate) fn pki(&self) -> &Pki {
        match self {
            ControlPlane::Embedded(server) => server.pki(),
            ControlPlane::Assets(server) => server.pki(),
        }
    }

    /// Its port on the router's address.
    pub(crate) fn router_port(&self) -> u16 {
        match self {
            ControlPlane::Embedded(_) => embedded::ROUTER_PORT,
            ControlPlane::Assets(server) => server.port(),
        }
    }

    /// Whether somebody else has to write the endpoints of the Service `kubernetes`.
    pub(crate) fn announce(&self) -> bool {
        matches!(self, ControlPlane::Embedded(_))
    }

    pub(crate) async fn shutdown(self) {
        match self {
            ControlPlane::Embedded(server) => server.shutdown().await,
            ControlPlane::Assets(server) => server.shutdown().await,
        }
    }
}
