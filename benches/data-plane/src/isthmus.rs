//! The sidecars under test, with all that a sidecar does: a split over two backends, grants with an expression for paths
//! and a method, identities, metrics.

use std::{collections::BTreeSet, ffi::OsString, fs, net::Ipv4Addr, path::Path, time::Duration};

use isthmus_core::{
    destination::{Backend, Destination, Endpoint, ProtocolHint, ServiceRoute, Split},
    http_match::{HttpMatch, HttpMatchSpec},
    id::{ObjectName, SpiffeId, TrustDomain},
    inbound::{Grant, HttpScope, InboundPolicy, PolicyMode, PortSet, Source},
};

use crate::{
    case::Protocol,
    control::{CONTROLLER, Control, DOMAIN, PORT},
    echo::{BODIES, PATH, UPGRADE},
    layout::{MARK, args},
    namespace::{CALLEE, CALLER, Namespace, SERVICE},
    process::Process,
};

/// The admin server's port.
pub(crate) const ADMIN_PORT: u16 = 15020;
/// The callee's name.
pub(crate) const CALLEE_POD: &str = "callee";
/// The namespace of the pods.
const SHOP: &str = "shop";
/// What sidecars are told where telemetry isn't what is measured: everything but a line for every request.
pub(crate) fn quiet() -> Vec<String> {
    vec!["--no-access-log".into()]
}

/// Shares of the split's backends in percent.
pub(crate) const WEIGHTS: [u32; 2] = [90, 10];

/// A control plane that knows the Service and the grant.
pub(crate) fn control(
    caller: &Namespace,
    protocols: &[Protocol],
    two_hops: bool,
    lifetime: Duration,
) -> anyhow::Result<Control> {
    let control = Control::start(caller, lifetime)?;
    control.set_policy(CALLEE_POD, policy(protocols)?);
    control.set_policy("caller", InboundPolicy::default());
    for protocol in protocols {
        let at = (SERVICE, protocol.service_port()).into();
        control.set_destination(at, destination(*protocol, two_hops, WEIGHTS)?);
    }
    Ok(control)
}

/// Starts the sidecars of a case. `telemetry` are their flags of what they tell.
pub(crate) fn sidecars(
    program: &Path,
    two_hops: bool,
    (caller, callee): (&Namespace, &Namespace),
    control: &Control,
    dir: &Path,
    telemetry: &[String],
) -> anyhow::Result<Vec<Process>> {
    let start = |namespace, pod, ip| {
        let mut command = command(program, pod, ip, control, dir)?;
        command.extend(telemetry.iter().map(OsString::from));
        Process::start(namespace, &format!("isthmus-{pod}"), command, dir)
    };
    let mut started = vec![start(caller, "caller", CALLER)?];
    if two_hops {
        started.push(start(callee, CALLEE_POD, CALLEE)?);
    }
    Ok(started)
}

fn command(program: &Path, pod: &str, ip: Ipv4Addr, control: &Control, dir: &Path) -> anyhow::Result<Vec<OsString>> {
    let token = dir.join(format!("{pod}.token"));
    fs::write(&token, format!("{SHOP}/{pod}"))?;
    let mut command: Vec<OsString> = vec![program.into(), "proxy".into()];
    command.extend(args([
        ("--control-addr", format!("{CALLER}:{PORT}")),
        ("--controller-id", CONTROLLER.into()),
        ("--trust-domain", DOMAIN.into()),
        ("--trust-bundle", control.roots().into()),
        ("--token-file", token.display().to_string()),
        ("--namespace", SHOP.into()),
        ("--pod", pod.into()),
        ("--pod-ip", ip.to_string()),
        ("--workers", "1".into()),
        ("--socket-mark", MARK.to_string()),
        ("--drain-seconds", "2".into()),
    ]));
    Ok(command)
}

/// What is behind the Service at a protocol's port.
pub(crate) fn destination(protocol: Protocol, mesh: bool, weights: [u32; 2]) -> anyhow::Result<Destination> {
    let identity = if mesh { Some(id(CALLEE_POD)?) } else { None };
    let backend = |name: &str, port: u16| Backend {
        service: ObjectName::new(SHOP, name),
        port: protocol.service_port(),
        endpoints: vec![Endpoint::local((CALLEE, port).into(), identity.clone(), format!("{SHOP}/callee"))].into(),
    };
    let backends = vec![
        (backend("web-v1", protocol.app_port()), weights[0]),
        (backend("web-v2", protocol.second_app_port()), weights[1]),
    ];
    let split = Split { name: ObjectName::new(SHOP, "canary"), generation: 1, matches: None, backends };
    let root = backend("web", protocol.app_port());
    Ok(Destination::Service(ServiceRoute { root, protocol: ProtocolHint::Detect, split: Some(split) }))
}

/// What the callee lets in: the caller alone, HTTP by path and method.
pub(crate) fn policy(protocols: &[Protocol]) -> anyhow::Result<InboundPolicy> {
    let ports = protocols.iter().flat_map(|p| [p.app_port(), p.second_app_port()]);
    let ports: BTreeSet<u16> = ports.collect();
    let spec = |name: &str, path: &str, method: &str| HttpMatchSpec {
        name: name.into(),
        path_regex: Some(path.into()),
        methods: vec![method.into()],
        ..HttpMatchSpec::default()
    };
    let matches = vec![
        HttpMatch::compile(spec("items", &format!("{PATH}[0-9a-f]+"), "GET"))?,
        HttpMatch::compile(spec("calls", r"/api\.Items/Get", "POST"))?,
        HttpMatch::compile(spec("bodies", BODIES, "POST"))?,
        HttpMatch::compile(spec("upgrade", UPGRADE, "GET"))?,
    ];
    let grant = |name: &str, http| -> anyhow::Result<Grant> {
        Ok(Grant {
            name: ObjectName::new(SHOP, name),
            sources: vec![Source::Identity(id("caller")?)],
            tcp: Some(PortSet::Only(ports.clone())),
            udp: None,
            http,
        })
    };
    let mut grants = vec![grant("items", HttpScope::Only(matches))?];
    if protocols.contains(&Protocol::Tcp) {
        let tcp = Protocol::Tcp;
        let ports = [tcp.app_port(), tcp.second_app_port()].into();
        grants.push(Grant { tcp: Some(PortSet::Only(ports)), ..grant("stream", HttpScope::Opaque)? });
    }
    Ok(InboundPolicy { mode: PolicyMode::Enforce, grants, ..InboundPolicy::default() })
}

fn id(account: &str) -> anyhow::Result<SpiffeId> {
    Ok(SpiffeId::for_service_account(&TrustDomain::new(DOMAIN)?, SHOP, account)?)
}
