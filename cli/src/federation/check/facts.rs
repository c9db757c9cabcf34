//! What one side's cluster says of itself, read once at the beginning.

use isthmus_core::federation::GatewayAddress;
use isthmus_k8s::federation::{ImportedService, Mesh, MeshPeer};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, ResourceExt, api::ListParams};

use crate::federation::target::Side;

/// The Service and the pods of a mesh's gateways.
const GATEWAY: &str = "isthmus-gateway";
/// The port of gateways.
const GATEWAY_PORT: u16 = 15443;

pub(super) struct Facts {
    pub(super) own: Option<Mesh>,
    pub(super) peers: Vec<MeshPeer>,
    pub(super) imports: Vec<ImportedService>,
    /// Gateways that are ready, as their own mesh's pods reach them.
    pub(super) gateways: Vec<String>,
    /// Where other meshes reach them.
    pub(super) public: Vec<String>,
}

impl Facts {
    pub(super) async fn read(side: &Side) -> anyhow::Result<Self> {
        let everything = ListParams::default();
        let own = side.all::<Mesh>().get_opt(side.mesh.as_str()).await?;
        let pods: Api<Pod> = Api::namespaced(side.client.clone(), &side.namespace);
        let of_gateway = ListParams::default().labels(&format!("app.kubernetes.io/name={GATEWAY}"));
        let gateways = pods.list(&of_gateway).await?.iter().filter_map(address).collect();
        let services: Api<Service> = Api::namespaced(side.client.clone(), &side.namespace);
        let service = services.get_opt(GATEWAY).await?;
        let declared = own.as_ref().and_then(|mesh| mesh.spec.gateways.clone());
        Ok(Self {
            public: declared
                .unwrap_or_else(|| service.iter().flat_map(balanced).collect())
                .into_iter()
                .map(written)
                .collect(),
            peers: side.all::<MeshPeer>().list(&everything).await?.items,
            imports: side.all::<ImportedService>().list(&everything).await?.items,
            own,
            gateways,
        })
    }

    /// What is imported from a mesh, each as `namespace/name`.
    pub(super) fn imports_from<'a>(&'a self, mesh: &'a str) -> impl Iterator<Item = (String, &'a ImportedService)> {
        let from = self.imports.iter().filter(move |import| import.spec.from.mesh == mesh);
        from.map(|import| (format!("{}/{}", import.namespace().unwrap_or_default(), import.name_any()), import))
    }
}

/// Where a ready pod takes mesh connections.
fn address(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
    let ip: std::net::IpAddr = status.pod_ip.as_ref().filter(|_| ready)?.parse().ok()?;
    Some(std::net::SocketAddr::new(ip, GATEWAY_PORT).to_string())
}

/// In the form that catalogs have; what can't be read is told to nobody.
fn written(address: String) -> String {
    address.parse().map_or(address, |read: GatewayAddress| read.to_string())
}

fn balanced(service: &Service) -> Vec<String> {
    let port = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()).map(|port| port.port).next();
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let addresses =
        balancer.iter().flat_map(|b| b.ingress.iter().flatten()).filter_map(|i| i.ip.clone().or(i.hostname.clone()));
    addresses.zip(std::iter::repeat(port)).filter_map(|(host, port)| Some(format!("{host}:{}", port?))).collect()
}
