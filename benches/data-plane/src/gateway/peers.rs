//! The relays: the gateway, and other projects' that find a way by server name as well.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use isthmus_core::gateway::{Routes, Target};
use serde_json::{Value, json};

use super::{APP_PORT, RELAY_PORT, load::name};
use crate::{
    control::{CONTROLLER, Control, DOMAIN, PORT},
    layout::args,
    namespace::{CALLEE, CALLER, Namespace},
    peer::{Peer, nginx::load_stream},
    process::Process,
};

/// How long the gateway's certificate lives: longer than a run.
const LIFETIME: Duration = Duration::from_hours(24);
/// Beyond what any phase of a run has under way.
const MANY: u32 = 10_000;
const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// Those of the peers that are here, with their programs. The others are named, with how to get them.
pub(super) fn present(isthmus: &Path, wanted: &[Peer]) -> Vec<(Peer, PathBuf)> {
    let found = |peer: &Peer| match (peer.program(), peer.find()) {
        (None, _) => Some((*peer, isthmus.to_owned())),
        (Some(_), Some(program)) if *peer != Peer::Nginx || peer.relays_tcp(&program) => Some((*peer, program)),
        (Some(name), _) => {
            println!("{name} isn't here, or can't relay TCP, and is left out; to have it: {}", peer.install());
            None
        }
    };
    wanted.iter().filter_map(found).collect()
}

/// Starts a relay in the callee's namespace; for the gateway with its control plane in the caller's.
pub(super) fn start(
    peer: Peer,
    program: &Path,
    (caller, callee): (&Namespace, &Namespace),
    dir: &Path,
) -> anyhow::Result<(Option<Process>, Option<Control>)> {
    let name = name()?.to_string();
    let config = match peer {
        Peer::None => return Ok((None, None)),
        Peer::Isthmus => {
            let control = Control::start(caller, LIFETIME)?;
            control.set_routes(routes()?);
            return Ok((Some(gateway(program, callee, &control, dir)?), Some(control)));
        }
        Peer::Haproxy => haproxy(&name),
        Peer::Nginx => nginx(&name, dir),
        Peer::Envoy => envoy(&name),
    };
    let file = dir.join(format!("{}.conf", peer.name()));
    fs::write(&file, config)?;
    let mut command = vec![program.into()];
    command.extend(peer.arguments(&file));
    Ok((Some(Process::start(callee, peer.name(), command, dir)?), None))
}

/// The application is exported, as one pod.
fn routes() -> anyhow::Result<Routes> {
    let name = name()?;
    let target = Target { token: "a".parse()?, addr: (CALLEE, APP_PORT).into() };
    let exported = HashMap::from([((name.service, name.port), vec![target])]);
    Ok(Routes { exported, ..Routes::none(name.mesh) })
}

fn gateway(program: &Path, callee: &Namespace, control: &Control, dir: &Path) -> anyhow::Result<Process> {
    let token = dir.join("gateway.token");
    fs::write(&token, "isthmus-system/isthmus-gateway").context("the gateway's token")?;
    let mut command: Vec<OsString> = vec![program.into(), "gateway".into(), "--no-access-log".into()];
    command.extend(args([
        ("--control-addr", format!("{CALLER}:{PORT}")),
        ("--controller-id", CONTROLLER.into()),
        ("--trust-domain", DOMAIN.into()),
        ("--trust-bundle", control.roots().into()),
        ("--token-file", token.display().to_string()),
        ("--namespace", "isthmus-system".into()),
        ("--pod", "gateway".into()),
        ("--workers", "1".into()),
        // All load comes from one address here.
        ("--source-rate", "1000000".into()),
        ("--source-burst", "1000000".into()),
        ("--drain-seconds", "2".into()),
    ]));
    Process::start(callee, "isthmus-gateway", command, dir)
}

fn haproxy(name: &str) -> String {
    format!(
        "global
  nbthread 1
  maxconn 4096
  maxpipes 512
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend in
  bind 0.0.0.0:{RELAY_PORT}
  tcp-request inspect-delay 5s
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  use_backend out if {{ req.ssl_sni -i {name} }}
backend out
  server callee {CALLEE}:{APP_PORT}
"
    )
}

fn nginx(name: &str, dir: &Path) -> String {
    format!(
        "{module}
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {pid};
error_log stderr error;
events {{ worker_connections 8192; }}
stream {{
  map_hash_bucket_size 128;
  map $ssl_preread_server_name $relay {{ {name} {CALLEE}:{APP_PORT}; }}
  server {{ listen 0.0.0.0:{RELAY_PORT}; ssl_preread on; proxy_pass $relay; }}
}}
",
        module = load_stream(),
        pid = dir.join("nginx.pid").display(),
    )
}

fn envoy(name: &str) -> String {
    let address = |ip: &str, port: u16| json!({ "socket_address": { "address": ip, "port_value": port } });
    let endpoint = json!({ "endpoint": { "address": address(&CALLEE.to_string(), APP_PORT) } });
    let limits = json!({ "max_connections": MANY, "max_pending_requests": MANY, "max_requests": MANY });
    let typed = |name: &str, kind: &str, more: Value| {
        let mut config = json!({ "@type": format!("{TYPES}.{kind}") });
        if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
            config.extend(more);
        }
        json!({ "name": name, "typed_config": config })
    };
    let inspector =
        typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector", json!({}));
    let relay = typed(
        "envoy.filters.network.tcp_proxy",
        "filters.network.tcp_proxy.v3.TcpProxy",
        json!({ "stat_prefix": "in", "cluster": "callee" }),
    );
    json!({
        "static_resources": {
            "listeners": [{
                "name": "in",
                "address": address("0.0.0.0", RELAY_PORT),
                "listener_filters": [inspector],
                "filter_chains": [{ "filter_chain_match": { "server_names": [name] }, "filters": [relay] }],
            }],
            "clusters": [{
                "name": "callee",
                "type": "STATIC",
                "connect_timeout": "5s",
                "circuit_breakers": { "thresholds": [limits] },
                "load_assignment": { "cluster_name": "callee", "endpoints": [{ "lb_endpoints": [endpoint] }] },
            }],
        },
    })
    .to_string()
}
