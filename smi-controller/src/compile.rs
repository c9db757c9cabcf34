//! From what is known to what proxies need: pure functions of the index. Each reads through a [`Reader`], which notes
//! every fact that was looked at, found or not; the result is compiled again when one of them changes, and only then.

mod check;
mod destination;
mod federation;
mod inbound;
mod protocol;
mod reader;
mod rules;
mod subjects;
mod taps;
mod telemetry;
mod tokens;

use std::sync::Arc;

use isthmus_core::{
    federation::MeshName,
    id::{ObjectName, SpiffeId, TrustDomain},
    inbound::PolicyMode,
};

pub(crate) use check::{Checked, check};
pub(crate) use destination::{dealt, destination};
pub(crate) use federation::{GATEWAY, Imported, Outlook, bundles, outlook, routes};
pub(crate) use inbound::inbound;
pub(crate) use reader::{Objects, Reader, all_objects};
pub(crate) use taps::taps;
pub(crate) use telemetry::telemetry;
pub(crate) use tokens::TokenKey;

/// What compiling needs to know beside the objects.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) mesh: MeshName,
    pub(crate) trust_domain: TrustDomain,
    /// As in `svc.ns.svc.<cluster domain>`.
    pub(crate) cluster_domain: Arc<str>,
    /// For Namespaces that name no mode of their own.
    pub(crate) mode: PolicyMode,
    /// The namespace that the control plane and the gateways are in.
    pub(crate) namespace: Arc<str>,
    /// Makes the names by which other meshes know pods.
    pub(crate) tokens: TokenKey,
}

impl Settings {
    /// The identity of a ServiceAccount's workloads. `None`: the names can't stand in a SPIFFE ID.
    pub(crate) fn identity(&self, account: &ObjectName) -> Option<SpiffeId> {
        SpiffeId::for_service_account(&self.trust_domain, &account.namespace, &account.name).ok()
    }

    /// The ServiceAccount of the gateways.
    pub(crate) fn gateway(&self) -> ObjectName {
        ObjectName::new(self.namespace.clone(), GATEWAY)
    }
}

#[cfg(test)]
mod tests;
