//! What the admin server shows of the configuration in use. It holds no key and no token.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use isthmus_core::{
    destination::{Backend, Destination, ServiceRoute, Split},
    federation::MeshName,
    http_match::HttpMatch,
    inbound::{Grant, HttpScope, InboundPolicy, PortSet, Source},
    telemetry::settings::{Family, LogFormat, Settings},
    trace::{Ratio, SampledRoute},
};
use serde_json::{Value, json};

use super::{remote, subscriptions::Subscriptions};

/// The state of the subscriptions, shared by the session and the admin server. Never locked across an await.
#[derive(Debug, Clone, Default)]
pub(crate) struct View(Arc<Mutex<Subscriptions>>);

impl View {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Subscriptions) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many endpoints of each other mesh are in use, fresh ones and stale ones.
    pub(crate) fn remote_endpoints(&self) -> BTreeMap<MeshName, [usize; 2]> {
        self.with(|state| remote::count(state.destinations()))
    }

    /// The families of metrics that the pod's users want; `None`: they don't say.
    pub(crate) fn families(&self) -> Option<Vec<Family>> {
        self.with(|state| state.settings().and_then(|settings| settings.families.clone()))
    }

    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&self.with(|state| state.shown()))
    }
}

pub(super) fn policy(policy: &InboundPolicy) -> Value {
    let exempt = &policy.exempt;
    json!({
        "mode": policy.mode,
        "grants": policy.grants.iter().map(grant).collect::<Vec<_>>(),
        "plaintextPorts": exempt.ports,
        "plaintextSources": exempt.sources.iter().map(|c| format!("{}/{}", c.addr, c.prefix)).collect::<Vec<_>>(),
        "node": exempt.node,
        "probes": exempt.probes,
        "protocols": policy.protocols,
    })
}

pub(super) fn telemetry(settings: &Settings) -> Value {
    let share = |share: Option<Ratio>| share.map(|share| f64::from(share.as_per_million()) / 1e6);
    let route = |route: &SampledRoute| json!({ "matches": specs(&route.matches), "sample": share(Some(route.ratio)) });
    let log = &settings.access_log;
    json!({
        "accessLog": {
            "on": log.on,
            "format": log.format.map(LogFormat::as_str),
            "sample": share(log.sample),
        },
        "tracing": {
            "sample": share(settings.tracing.sample),
            "routes": settings.tracing.routes.iter().map(route).collect::<Vec<_>>(),
        },
        "metricFamilies": settings.families.as_deref().map(|all| all.iter().map(|f| Family::as_str(*f)).collect::<Vec<_>>()),
    })
}

pub(super) fn destination(destination: &Destination) -> Value {
    match destination {
        Destination::Service(route) => service(route),
        Destination::Workload(endpoint) => json!({ "workload": endpoint }),
        Destination::Unknown => json!("unknown"),
    }
}

fn service(route: &ServiceRoute) -> Value {
    json!({ "protocol": route.protocol, "root": route.root, "split": route.split.as_ref().map(split) })
}

fn split(split: &Split) -> Value {
    let weighted = |(backend, weight): &(Backend, u32)| json!({ "weight": weight, "backend": backend });
    json!({
        "name": split.name,
        "generation": split.generation,
        "matches": split.matches.as_deref().map(specs),
        "backends": split.backends.iter().map(weighted).collect::<Vec<_>>(),
    })
}

fn grant(grant: &Grant) -> Value {
    let source = |source: &Source| match source {
        Source::Identity(id) => json!({ "identity": id }),
        Source::Below(prefix) => json!({ "identity": prefix.to_string() }),
        Source::Pods(id, addresses) => json!({ "identity": id, "addresses": addresses }),
    };
    let ports = |ports: &PortSet| match ports {
        PortSet::All => json!("all"),
        PortSet::Only(ports) => json!(ports),
    };
    json!({
        "name": grant.name,
        "sources": grant.sources.iter().map(source).collect::<Vec<_>>(),
        "tcp": grant.tcp.as_ref().map(ports),
        "udp": grant.udp.as_ref().map(ports),
        "http": match &grant.http {
            HttpScope::Opaque => json!("opaque"),
            HttpScope::Only(matches) => specs(matches),
        },
    })
}

fn specs(matches: &[HttpMatch]) -> Value {
    matches.iter().map(|m| json!(m.spec())).collect()
}
