//! An API server on loopback, in this process, and the roots of a mesh.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use isthmus_core::id::TrustDomain;
use isthmus_federation::{hub::MemberRecord, names::hub_id};
use isthmus_identity::{Authority, Chain, HeldBundle, Keypair, MeshTls, SignedBundle, Svid, SvidCell, TrustStore};
use isthmus_k8s::federation::Mesh;
use isthmus_local_apiserver::{ApiServer, Config, Limits, Pki};
use isthmus_local_callout::Dial;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Generous: the machine that runs this may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// There are no webhooks.
struct Nowhere;

impl Dial for Nowhere {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }
}

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) stop: CancellationToken,
}

impl World {
    pub(crate) async fn start() -> Self {
        let config = Config {
            data_dir: None,
            pki: Pki::load_or_create(None, &["localhost".to_owned()], &[LOOPBACK]).unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            pod_dialer: Arc::new(Nowhere),
            limits: Limits::default(),
        };
        let api = ApiServer::new(config).unwrap();
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let kubeconfig = Kubeconfig::from_yaml(&api.kubeconfig(&url)).unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { api.serve(listener, stopped).await });
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let world = Self { client: Client::try_from(config).unwrap(), stop };
        world.install().await;
        world
    }

    async fn install(&self) {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for definition in isthmus_k8s::crds() {
            definitions.create(&PostParams::default(), &definition).await.unwrap();
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some("isthmus-system".to_owned());
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        let served = async { while self.meshes().list(&ListParams::default()).await.is_err() {} };
        tokio::time::timeout(DEADLINE, served).await.expect("Meshes are served");
    }

    pub(crate) fn meshes(&self) -> Api<Mesh> {
        Api::all(self.client.clone())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A mesh as the hub keeps it, with the root that its bundle has.
pub(crate) fn member(name: &str) -> (MemberRecord, Authority) {
    let domain = TrustDomain::new(&format!("{name}.local")).unwrap();
    let hour = Duration::from_hours(1);
    let authority = Authority::generate(domain.clone(), SystemTime::now(), 24 * hour).unwrap();
    let signed = SignedBundle::sign(&authority.bundle(1), hour, &[&authority]).unwrap();
    let held = HeldBundle::restore(domain.clone(), signed.document.clone()).unwrap();
    let chain = Chain::new(vec![signed]).unwrap();
    let record = MemberRecord { mesh: name.parse().unwrap(), trust_domain: domain, held: Some(held), chain };
    (record, authority)
}

/// TLS as the hub of that mesh.
pub(crate) fn hub_tls(authority: &Authority) -> MeshTls {
    let keypair = Keypair::generate().unwrap();
    let id = hub_id(authority.trust_domain()).unwrap();
    let csr = keypair.csr().unwrap();
    let issued = authority.issue(&csr, &id, SystemTime::now(), Duration::from_hours(1)).unwrap();
    let cell = SvidCell::new();
    cell.set(Svid::new(issued.chain, &keypair).unwrap());
    MeshTls::new(Arc::new(TrustStore::with(&[authority.bundle(1)]).unwrap()), Arc::new(cell))
}
