//! Pods: a sidecar each, with addresses of their own.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use isthmus_core::{
    destination::{Backend, Destination, Endpoint, ProtocolHint, ServiceRoute, Split},
    http_match::{HttpMatch, HttpMatchSpec},
    id::{ObjectName, SpiffeId, TrustDomain},
    inbound::{Grant, HttpScope, InboundPolicy, PolicyMode, PortSet, Source},
};
use isthmus_proxy::{Config, Error, OriginalDestination};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{address, client, control::Script, eventually};

/// The original destinations of listeners.
#[derive(Debug, Clone, Default)]
pub struct Redirects(Arc<Mutex<HashMap<SocketAddr, SocketAddr>>>);

impl OriginalDestination for Redirects {
    fn of(&self, stream: &TcpStream) -> io::Result<Option<SocketAddr>> {
        Ok(self.0.lock().unwrap().get(&stream.local_addr()?).copied())
    }
}

/// A pod with a sidecar.
pub struct Pod {
    pub name: String,
    pub id: SpiffeId,
    /// Where others reach its ports: the sidecar's inbound listeners.
    pub ip: IpAddr,
    /// Where its application listens.
    pub app: IpAddr,
    pub admin: SocketAddr,
    pub shutdown: CancellationToken,
    pub running: JoinHandle<Result<(), Error>>,
    _token: tempfile::NamedTempFile,
}

/// How a pod differs from the usual one.
pub struct Spec<'a> {
    pub name: &'a str,
    /// Container ports that are served.
    pub ports: &'a [u16],
    /// Services that are called: address and port.
    pub calls: &'a [(&'a str, u16)],
    pub edit: fn(&mut Config),
}

impl Pod {
    /// Starts a pod and waits until it is ready.
    pub async fn start(script: &Script, name: &str, ports: &[u16], calls: &[(&str, u16)]) -> Self {
        let pod = Self::launch(script, Spec { name, ports, calls, edit: |_| {} });
        pod.ready().await;
        pod
    }

    pub fn launch(script: &Script, spec: Spec<'_>) -> Self {
        let domain = script.authority.trust_domain();
        Self::launch_at(domain, (address(), address()), script.addr, script.authority.bundle(1).to_pem(), spec)
    }

    /// Starts one that is told what the test has found out.
    #[allow(dead_code)]
    pub fn launch_with(
        script: &Script,
        name: &str,
        ports: &[u16],
        calls: &[(&str, u16)],
        edit: impl FnOnce(&mut Config),
    ) -> Self {
        let roots = script.authority.bundle(1).to_pem();
        let spec = Spec { name, ports, calls, edit: |_| {} };
        Self::launch_as(script.authority.trust_domain(), (address(), address()), script.addr, roots, spec, edit)
    }

    /// Starts one at these addresses, its own and its application's, which may be of another process.
    pub fn launch_at(
        domain: &TrustDomain,
        addresses: (IpAddr, IpAddr),
        control: SocketAddr,
        roots: String,
        spec: Spec<'_>,
    ) -> Self {
        let edit = spec.edit;
        Self::launch_as(domain, addresses, control, roots, spec, edit)
    }

    fn launch_as(
        domain: &TrustDomain,
        (ip, app): (IpAddr, IpAddr),
        control: SocketAddr,
        roots: String,
        spec: Spec<'_>,
        edit: impl FnOnce(&mut Config),
    ) -> Self {
        let redirects = Redirects::default();
        let token = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(token.path(), format!("shop/{}", spec.name)).unwrap();
        let controller = super::control::controller(domain);
        let mut config = Config::new(control.to_string(), controller, domain.clone());
        config.trust_bundle = roots;
        config.token_file = token.path().into();
        config.namespace = "shop".into();
        config.pod = spec.name.into();
        config.admin = Some((ip, 15020).into());
        // Direct to the outbound port: explicit mode. Direct to the inbound port: refused.
        config.outbound = vec![(ip, 15001).into()];
        config.inbound = vec![(ip, 15006).into()];
        for port in spec.ports {
            config.inbound.push((ip, *port).into());
            redirects.0.lock().unwrap().insert((ip, *port).into(), (app, *port).into());
        }
        for (index, (host, port)) in spec.calls.iter().enumerate() {
            let door = SocketAddr::new(ip, 16_000 + u16::try_from(index).unwrap());
            config.outbound.push(door);
            redirects.0.lock().unwrap().insert(door, SocketAddr::new(host.parse().unwrap(), *port));
        }
        config.original = Arc::new(redirects);
        edit(&mut config);
        let shutdown = CancellationToken::new();
        Self {
            name: spec.name.into(),
            id: SpiffeId::for_service_account(domain, "shop", spec.name).unwrap(),
            ip,
            app,
            admin: (ip, 15020).into(),
            running: tokio::spawn(isthmus_proxy::run(config, shutdown.clone())),
            shutdown,
            _token: token,
        }
    }

    pub async fn ready(&self) {
        eventually("ready", async || client::get(self.admin, "/ready").await.is_ok_and(|r| r.status() == 200)).await;
    }

    /// Where a connection to the n-th service called is redirected to.
    pub fn call(&self, index: u16) -> SocketAddr {
        (self.ip, 16_000 + index).into()
    }

    pub fn explicit(&self) -> SocketAddr {
        (self.ip, 15_001).into()
    }

    /// The pod as an endpoint of a Service.
    pub fn endpoint(&self, port: u16) -> Endpoint {
        Endpoint::local((self.ip, port).into(), Some(self.id.clone()), format!("shop/{}", self.name))
    }

    /// The sum of the series with this name that have these labels, among others; there must be one.
    pub async fn metric(&self, name: &str) -> f64 {
        let body = self.metrics().await;
        let values = series(&body, name);
        assert!(!values.is_empty(), "no {name} in:\n{body}");
        values.iter().sum()
    }

    /// The same, 0 while there is none.
    pub async fn counted(&self, name: &str) -> f64 {
        series(&self.metrics().await, name).iter().sum()
    }

    pub async fn metrics(&self) -> String {
        client::text(client::get(self.admin, "/metrics").await.unwrap()).await
    }
}

/// The values of the series with this name and these labels (`name{a="b",c="d"}`), among others. No value of a label has a comma.
fn series(body: &str, name: &str) -> Vec<f64> {
    let (name, wanted) = name.split_once('{').unwrap_or((name, ""));
    let wanted: Vec<&str> = wanted.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
    let value = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels: Vec<&str> = labels.trim_end_matches('}').split(',').collect();
        (found == name && wanted.iter().all(|label| labels.contains(label))).then(|| value.parse().unwrap())
    };
    body.lines().filter_map(value).collect()
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.running.abort();
    }
}

pub fn backend(name: &str, port: u16, endpoints: &[Endpoint]) -> Backend {
    Backend { service: ObjectName::new("shop", name), port, endpoints: endpoints.into() }
}

/// A Service at port 80 with these endpoints, and a split of it.
pub fn service(endpoints: &[Endpoint], split: Option<Split>) -> Destination {
    Destination::Service(ServiceRoute { root: backend("web", 80, endpoints), protocol: ProtocolHint::Detect, split })
}

pub fn split(matches: Option<Vec<HttpMatch>>, backends: Vec<(Backend, u32)>) -> Split {
    Split { name: ObjectName::new("shop", "canary"), generation: 1, matches, backends }
}

pub fn path(regex: &str) -> HttpMatch {
    HttpMatch::compile(HttpMatchSpec { name: "m".into(), path_regex: Some(regex.into()), ..HttpMatchSpec::default() })
        .unwrap()
}

pub fn header(name: &str, regex: &str) -> HttpMatch {
    let headers = vec![(name.into(), regex.into())];
    HttpMatch::compile(HttpMatchSpec { name: "h".into(), headers, ..HttpMatchSpec::default() }).unwrap()
}

/// Lets everything of this identity in.
pub fn allow(ids: &[&SpiffeId]) -> InboundPolicy {
    granting(ids, PortSet::All, HttpScope::Opaque)
}

pub fn granting(ids: &[&SpiffeId], ports: PortSet, http: HttpScope) -> InboundPolicy {
    let grant = Grant {
        name: ObjectName::new("shop", "target"),
        sources: ids.iter().map(|id| Source::Identity((*id).clone())).collect(),
        tcp: Some(ports),
        udp: None,
        http,
    };
    InboundPolicy { mode: PolicyMode::Enforce, grants: vec![grant], ..InboundPolicy::default() }
}

pub fn deny() -> InboundPolicy {
    InboundPolicy::default()
}

/// The identity of a pod of this name.
pub fn id(name: &str) -> SpiffeId {
    format!("spiffe://isthmus.local/ns/shop/sa/{name}").parse().unwrap()
}
