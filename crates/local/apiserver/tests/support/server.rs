//! An API server on loopback, in this process, for one test.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use isthmus_local_apiserver::{ApiServer, CancellationToken, Config, Limits, Pki};
use isthmus_local_callout::Dial;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[allow(dead_code, reason = "each test binary uses its own part")]
pub(crate) struct Server {
    pub(crate) dir: TempDir,
    pub(crate) url: String,
    pub(crate) api: ApiServer,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::at(dir, None, limits).await
    }

    /// With the objects of `data`, if given.
    pub(crate) async fn at(dir: TempDir, data: Option<&Path>, limits: Limits) -> Self {
        Self::dialing(dir, data, limits, Arc::new(Loopback)).await
    }

    /// One that reaches others through `dial`.
    pub(crate) async fn dialing(dir: TempDir, data: Option<&Path>, limits: Limits, dial: Arc<dyn Dial>) -> Self {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let names = ["localhost".to_owned()];
        let api = ApiServer::new(Config {
            data_dir: data.map(Path::to_owned),
            pki: Pki::load_or_create(data, &names, &[address]).unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            pod_dialer: dial,
            limits,
        })
        .unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        std::fs::write(dir.path().join("kubeconfig"), api.kubeconfig(&url)).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (api, stop) = (api.clone(), stop.clone());
            async move { api.serve(listener, stop).await }
        });
        Self { dir, url, api, stop, task }
    }

    #[allow(dead_code, reason = "each test binary uses its own part")]
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    #[allow(dead_code, reason = "only some test binaries stop a server themselves")]
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.task.await.unwrap();
        self.dir
    }
}

/// Every address of the cluster is this machine.
struct Loopback;

impl Dial for Loopback {
    fn dial(&self, addr: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect((Ipv4Addr::LOCALHOST, addr.port())))
    }
}
