//! Gateways of a mesh, and what they are told to relay.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use isthmus_core::{
    federation::MeshName,
    gateway::{Egress, Routes, Target},
    id::{ObjectName, TrustDomain},
};
use isthmus_gateway::{Config, Error};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    address,
    control::{CONTROLLER, Script},
    eventually,
};

pub const POD: &str = "isthmus-gateway-0";

/// A running gateway.
pub struct Gateway {
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    pub shutdown: CancellationToken,
    pub running: JoinHandle<Result<(), Error>>,
    _token: tempfile::NamedTempFile,
}

impl Gateway {
    /// Starts one that relays this, and waits until it is ready.
    pub async fn start(script: &Script, routes: Routes) -> Self {
        Self::start_with(script, routes, |_| {}).await
    }

    /// The same, for one that differs from the usual.
    pub async fn start_with(script: &Script, routes: Routes, edit: impl FnOnce(&mut Config)) -> Self {
        script.set_routes(routes);
        let gateway = Self::launch(script, edit);
        gateway.ready().await;
        gateway
    }

    pub fn launch(script: &Script, edit: impl FnOnce(&mut Config)) -> Self {
        let token = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(token.path(), "isthmus-system/isthmus-gateway").unwrap();
        let domain = TrustDomain::new("isthmus.local").unwrap();
        let mut control =
            isthmus_proxy::control::Config::new(script.addr.to_string(), CONTROLLER.parse().unwrap(), domain);
        control.trust_bundle = script.authority.bundle(1).to_pem();
        control.token_file = token.path().into();
        control.namespace = "isthmus-system".into();
        control.pod = POD.into();
        let mut config = Config::new(control);
        let ip = address();
        config.listen = vec![(ip, isthmus_gateway::PORT).into()];
        config.admin = Some((ip, isthmus_gateway::ADMIN_PORT).into());
        edit(&mut config);
        let shutdown = CancellationToken::new();
        Self {
            addr: config.listen[0],
            admin: config.admin.unwrap(),
            running: tokio::spawn(isthmus_gateway::run(config, shutdown.clone())),
            shutdown,
            _token: token,
        }
    }

    pub async fn ready(&self) {
        eventually("ready", async || self.get("/ready").await.is_some_and(|body| body.starts_with("HTTP/1.1 200")))
            .await;
    }

    /// An answer of the admin server, head and all.
    pub async fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.admin).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// The value of the series whose line begins so; 0 if there is none yet.
    pub async fn metric(&self, series: &str) -> f64 {
        let body = self.get("/metrics").await.unwrap();
        let line = body.lines().find(|line| line.starts_with(series));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    pub async fn refused(&self, reason: &str) -> f64 {
        self.metric(&format!("isthmus_gateway_refused_total{{reason=\"{reason}\"}}")).await
    }

    pub async fn cut(&self, reason: &str) -> f64 {
        self.metric(&format!("isthmus_gateway_cut_connections_total{{reason=\"{reason}\"}}")).await
    }

    /// Connections that it relays now.
    pub async fn open(&self) -> f64 {
        let body = self.get("/metrics").await.unwrap();
        let open = body.lines().filter(|line| line.starts_with("isthmus_gateway_open_connections{"));
        open.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.running.abort();
    }
}

pub fn mesh(name: &str) -> MeshName {
    name.parse().unwrap()
}

pub fn web() -> (ObjectName, u16) {
    (ObjectName::new("shop", "web"), 80)
}

/// The server name of `web` in a mesh.
pub fn name_in(mesh: &str) -> String {
    format!("p80.web.shop.svc.{mesh}.mesh")
}

/// The mesh west exports `web`, with these pods: tokens `a`, `b`…
pub fn exporting(pods: &[SocketAddr]) -> Routes {
    let target = |(n, addr): (usize, &SocketAddr)| {
        let token = char::from(b'a' + u8::try_from(n).unwrap()).to_string();
        Target { token: token.parse().unwrap(), addr: *addr }
    };
    let targets = pods.iter().enumerate().map(target).collect();
    Routes { exported: HashMap::from([(web(), targets)]), ..Routes::none(mesh("west")) }
}

/// The mesh east imports `web` of west, by these gateways.
pub fn importing(gateways: &[SocketAddr]) -> Routes {
    let egress = vec![Egress { gateways: gateways.to_vec(), services: HashSet::from([web()]), ..Egress::default() }];
    Routes { peers: HashMap::from([(mesh("west"), egress)]), ..Routes::none(mesh("east")) }
}
