//! The embedded API server, on the host's 127.0.0.1 and in the router's namespace.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use isthmus_local_apiserver::{ApiServer, Config, Limits, Pki};
use isthmus_local_callout::Dial;
use isthmus_local_node::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::Setup;
use crate::cluster::Error;

/// Its port on the router's address.
pub(super) const ROUTER_PORT: u16 = 6443;

pub(crate) struct Embedded {
    server: ApiServer,
    url: String,
    kubeconfig: String,
    tasks: TaskTracker,
    stop: DropGuard,
}

/// Reaches pods, Services and the kubelet.
struct RouterDial(Arc<Router>);

impl Dial for RouterDial {
    fn dial(&self, addr: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(self.0.dial(addr))
    }
}

impl Embedded {
    pub(super) async fn start(setup: Setup) -> Result<Self, Error> {
        let pki = Pki::load_or_create(setup.pki_dir.as_deref(), &setup.names, &setup.addresses)?;
        let server = ApiServer::new(Config {
            data_dir: setup.data_dir,
            pki,
            service_cidr: setup.service_cidr.parse()?,
            pod_dialer: Arc::new(RouterDial(setup.router.clone())),
            limits: Limits::default(),
        })?;
        let taken = |source| Error::ApiPort { port: setup.port, source };
        let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, setup.port)).await.map_err(taken)?;
        let url = format!("https://{}", outside.local_addr().map_err(taken)?);
        let inside = (setup.router.address(), ROUTER_PORT).into();
        let inside = setup.router.tcp_listen(inside).await.map_err(Error::Network)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        for listener in [outside, inside] {
            let (server, stop) = (server.clone(), stop.clone());
            tasks.spawn(async move { server.serve(listener, stop).await });
        }
        tasks.close();
        let kubeconfig = server.kubeconfig(&url);
        Ok(Embedded { server, url, kubeconfig, tasks, stop: stop.drop_guard() })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    pub(super) fn pki(&self) -> &Pki {
        self.server.pki()
    }

    pub(super) async fn shutdown(self) {
        drop(self.stop);
        self.tasks.wait().await;
    }
}
