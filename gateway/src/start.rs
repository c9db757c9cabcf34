//! Putting a gateway together, and taking it apart.

use std::sync::Arc;

use isthmus_proxy::{
    control::{self, Invalid, Link},
    descriptors,
};
use isthmus_runtime::{
    admin::{self, Admin},
    build,
    readiness::Ready,
    sockets::{self, reuseport_listener},
};
use prometheus::Registry;
use socket2::SockRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    control::{Held, Subscriptions},
    error::Error,
    limits::{BACKLOG, PROBE_AFTER, PROBE_EVERY, PROBES, connections_with},
    metrics::Metrics,
    passing::Passing,
    worker::{self, Command, Door, Shared},
};

/// Runs a gateway until `shutdown` fires and its connections have ended, or the drain time is over. Ends with an error only when
/// it can't start or a worker dies: losing the controller stops nothing.
pub async fn run(mut config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    check(&config)?;
    let fitting = connections_with(descriptors::raise(), config.workers);
    config.bounds.connections = config.bounds.connections.min(fitting);
    let registry = Registry::new();
    build::register(&registry, "gateway")?;
    let metrics = Metrics::new(&registry)?;
    let link = Arc::new(Link::new(config.control.clone(), control::Metrics::new(&registry)?)?);
    let mut doors = Vec::new();
    for _ in 0..config.workers {
        doors.push(open_doors(&config)?);
    }
    let ready = Ready::new();
    let routes = ready.register("routes");
    // It relays without a certificate: that is for its session alone.
    let identity = Ready::new().register("identity");
    let held = Held::default();
    let admin = Admin::new(ready.clone(), registry, config.log_level.clone());
    let shown = held.clone();
    let admin = admin.route("/config", move |_| match shown.to_json() {
        Ok(json) => admin::json(http::StatusCode::OK, json),
        Err(error) => admin::text(http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    });
    let _running = config.admin.map(|addr| admin.start(addr)).transpose()?;
    let file = config.routes_file.clone();
    let shared = Arc::new(Shared { config, metrics, passing: Passing::default() });

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
    let controlled = async {
        let subscriptions = Subscriptions::begin(commands, routes, held, file).await;
        control::run(link, subscriptions, identity).await;
    };
    tokio::select! {
        () = controlled => {}
        () = stopping => {}
        () = ended => {}
    }
    if shutdown.is_cancelled() { Ok(()) } else { Err(Error::WorkerEnded) }
}

fn check(config: &Config) -> Result<(), Error> {
    let invalid = |field, value: String, reason| Err(Error::InvalidConfig { field, value, reason });
    match () {
        () if config.workers == 0 => invalid("workers", config.workers.to_string(), "at least one worker is needed"),
        () if config.bounds.source_rate == 0 => invalid(
            "source_rate",
            config.bounds.source_rate.to_string(),
            "must let at least one connection a second in",
        ),
        () if config.bounds.source_burst == 0 => {
            invalid("source_burst", config.bounds.source_burst.to_string(), "must let at least one connection in")
        }
        () => config.control.check().or_else(|Invalid { field, value, reason }| invalid(field, value, reason)),
    }
}

fn open_doors(config: &Config) -> Result<Vec<Door>, Error> {
    let mut doors = Vec::new();
    for addr in config.listen.iter().copied() {
        match reuseport_listener(addr, BACKLOG) {
            Ok(socket) => {
                // What a listener is set to, its connections are too: none of them pays for it. A socket that refuses an option
                // still works.
                let _ = SockRef::from(&socket).set_tcp_nodelay(true);
                sockets::probe(&socket, PROBE_AFTER, PROBE_EVERY, PROBES);
                let addr = socket.local_addr().map_err(|source| Error::Listen { addr, source })?;
                doors.push(Door { socket, addr });
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
    fn connections_are_set_up_by_their_listener() {
        let id = "spiffe://isthmus.local/ns/isthmus-system/sa/isthmus-controller".parse().unwrap();
        let mut config = Config::new(control::Config::new("c:1", id, TrustDomain::new("isthmus.local").unwrap()));
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        let doors = open_doors(&config).unwrap();
        let _client = std::net::TcpStream::connect(doors[0].addr).unwrap();
        doors[0].socket.set_nonblocking(false).unwrap();
        let (stream, _) = doors[0].socket.accept().unwrap();
        let stream = SockRef::from(&stream);
        assert!(stream.tcp_nodelay().unwrap() && stream.keepalive().unwrap());
        assert_eq!(stream.tcp_keepalive_time().unwrap(), PROBE_AFTER);
        assert_eq!(
            (stream.tcp_keepalive_interval().unwrap(), stream.tcp_keepalive_retries().unwrap()),
            (PROBE_EVERY, PROBES)
        );
    }
}
