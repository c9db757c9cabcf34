//! Putting a sidecar together, and taking it apart.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use isthmus_core::telemetry::Workload;
use isthmus_runtime::{
    admin::{self, Admin},
    build,
    readiness::Ready,
    sockets::{self, reuseport_listener},
};
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    control::{
        self, Invalid, Link, remote,
        sidecar::{Heard, Sidecar},
        view::View,
    },
    descriptors,
    edges::{self, Edges},
    error::Error,
    limits::{BACKLOG, TAPPED, connections_with},
    metrics::{Direction, Metrics},
    trace,
    worker::{self, Command, Door, Shared},
};

/// Runs a sidecar until `shutdown` fires and its connections have ended, or [`Config::drain`] is over. Ends with an error
/// only when it can't start or a worker dies: losing the controller stops nothing.
pub async fn run(mut config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    check(&config)?;
    let fitting = connections_with(descriptors::raise(), config.workers);
    config.bounds.connections = config.bounds.connections.min(fitting);
    let registry = Registry::new();
    build::register(&registry, "proxy")?;
    let metrics = Metrics::new(&registry)?;
    let link = Arc::new(Link::new(control_config(&config), control::Metrics::new(&registry)?)?);
    let own = own_workload(&config);
    let edges = Arc::new(Edges::new(config.metrics_edges, own, Arc::clone(link.tls.svid()), metrics.folded.clone()));
    let mut doors = Vec::new();
    for _ in 0..config.workers {
        doors.push(open_doors(&config)?);
    }
    let ready = Ready::new();
    let (identity, policy) = (ready.register("identity"), ready.register("policy"));
    let view = View::default();
    let admin = Admin::new(ready.clone(), registry.clone(), config.log_level.clone());
    let shown = view.clone();
    let admin = admin.route("/config", move |_| match shown.to_json() {
        Ok(json) => admin::json(http::StatusCode::OK, json),
        Err(error) => admin::text(http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    });
    let (scraped, known, usual) = (Arc::clone(&edges), view.clone(), config.metric_families.clone());
    let admin = admin.exposition(move |out| {
        let (own, (all, gone)) = (scraped.own(), scraped.all_and_gone());
        edges::render(out, &own, &all);
        let families = known.families().unwrap_or_else(|| usual.clone());
        edges::families::render(out, &families, &own, &all, &gone);
        remote::render(out, &known.remote_endpoints());
    });
    let admin_addr = admin_addr(&config);
    let (lookups, wanted) = mpsc::channel(1024);
    let (tapped, seen) = mpsc::channel(TAPPED);
    let known = metrics.destinations.clone();
    let (tls, reach) = (link.tls.clone(), Arc::clone(&link.reach));
    let (spans, exporting) = match &config.trace {
        Some(settings) => {
            let (edges, counters) = (Arc::clone(&edges), trace::Metrics::new(&registry)?);
            let started = trace::start(settings, config.socket_mark, counters, move || trace::resource(&edges.own()))?;
            (Some(started.0), Some(started.1))
        }
        None => (None, None),
    };
    let shared = Arc::new(Shared { config, metrics, edges: Arc::clone(&edges), tls, reach, lookups, tapped, spans });
    let _running = admin_addr.map(|addr| admin.start(addr)).transpose()?;

    // Dropping this future stops the workers too.
    let stop = shutdown.child_token();
    let _stop_on_drop = stop.clone().drop_guard();
    let (mut commands, mut ends) = (Vec::new(), Vec::new());
    for (index, doors) in doors.into_iter().enumerate() {
        let (sender, receiver) = mpsc::channel::<Command>(16);
        ends.push(worker::start(index, Arc::clone(&shared), doors, receiver, stop.clone()).map_err(Error::Thread)?);
        commands.push(sender);
    }
    let ended = async {
        let mut first = futures::future::select_all(ends);
        loop {
            let (_, _, rest) = first.await;
            if rest.is_empty() || !shutdown.is_cancelled() {
                return;
            }
            first = futures::future::select_all(rest);
        }
    };
    let stopping = async {
        shutdown.cancelled().await;
        ready.stop();
        tracing::info!("draining");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = control::run(link, Sidecar::new(commands, Heard { wanted, seen }, policy, view, known, edges), identity) => {}
        () = stopping => {}
        () = ended => {}
    }
    if let Some(exporting) = exporting {
        exporting.finish().await;
    }
    if shutdown.is_cancelled() { Ok(()) } else { Err(Error::WorkerEnded) }
}

/// What is known of the workload before it has a certificate.
fn own_workload(config: &Config) -> Workload {
    Workload {
        mesh: config.trust_domain.as_str().into(),
        namespace: config.namespace.as_str().into(),
        pod: config.pod.as_str().into(),
        ..Workload::default()
    }
}

/// `0.0.0.0` becomes `::`, which takes both families, in a pod that has an IPv6 address.
fn admin_addr(config: &Config) -> Option<SocketAddr> {
    let addr = config.admin?;
    let both = addr.ip() == Ipv4Addr::UNSPECIFIED && config.pod_ips.iter().any(IpAddr::is_ipv6);
    Some(if both { (Ipv6Addr::UNSPECIFIED, addr.port()).into() } else { addr })
}

/// The part of the configuration that is about the controller.
fn control_config(config: &Config) -> control::Config {
    control::Config {
        control_addr: config.control_addr.clone(),
        controller_id: config.controller_id.clone(),
        trust_domain: config.trust_domain.clone(),
        trust_bundle: config.trust_bundle.clone(),
        trust_file: config.trust_file.clone(),
        token_file: config.token_file.clone(),
        namespace: config.namespace.clone(),
        pod: config.pod.clone(),
        socket_mark: config.socket_mark,
    }
}

fn check(config: &Config) -> Result<(), Error> {
    if config.workers == 0 {
        let (value, reason) = (config.workers.to_string(), "at least one worker is needed");
        return Err(Error::InvalidConfig { field: "workers", value, reason });
    }
    let checked = control_config(config).check();
    checked.map_err(|Invalid { field, value, reason }| Error::InvalidConfig { field, value, reason })
}

fn open_doors(config: &Config) -> Result<Vec<Door>, Error> {
    let mut doors = Vec::new();
    let outbound = config.outbound.iter().map(|addr| (Direction::Outbound, *addr));
    for (direction, addr) in outbound.chain(config.inbound.iter().map(|addr| (Direction::Inbound, *addr))) {
        match reuseport_listener(addr, BACKLOG) {
            Ok(socket) => {
                let addr = socket.local_addr().map_err(|source| Error::Listen { addr, source })?;
                doors.push(Door { direction, socket, addr });
            }
            Err(error) if addr.is_ipv6() && sockets::is_unsupported(&error) => {
                tracing::debug!(%addr, "no IPv6 here: not listened on");
            }
            Err(source) => return Err(Error::Listen { addr, source }),
        }
    }
    Ok(doors)
}

#[cfg(test)]
mod tests {
    use isthmus_core::id::TrustDomain;

    use super::*;

    #[test]
    fn the_admin_server_is_where_the_pod_is() {
        let id = "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller".parse().unwrap();
        let mut config = Config::new("c:1", id, TrustDomain::new("isthmus.local").unwrap());
        let at = |config: &Config| admin_addr(config).map(|addr| addr.to_string());
        config.pod_ips = vec!["10.42.0.5".parse().unwrap()];
        assert_eq!(at(&config).as_deref(), Some("0.0.0.0:15020"));
        config.pod_ips.push("fd00::5".parse().unwrap());
        assert_eq!(at(&config).as_deref(), Some("[::]:15020"));
        config.admin = Some("127.0.0.1:15020".parse().unwrap());
        assert_eq!(at(&config).as_deref(), Some("127.0.0.1:15020"));
        config.admin = None;
        assert_eq!(at(&config), None);
    }
}
