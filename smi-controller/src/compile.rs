//! From what is known to what proxies need: pure functions of the index. Each reads through a [`Reader`], which notes
//! every fact that was looked at, found or not; the result is compiled again when one of them changes, and only then.

mod check;
mod destination;
mod inbound;
mod protocol;
mod reader;
mod rules;
mod subjects;

use std::sync::Arc;

use isthmus_core::{
    id::{ObjectName, SpiffeId, TrustDomain},
    inbound::PolicyMode,
};

pub(crate) use check::{Checked, check};
pub(crate) use destination::destination;
pub(crate) use inbound::inbound;
pub(crate) use reader::{Objects, Reader, all_objects};

/// What compiling needs to know beside the objects.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) trust_domain: TrustDomain,
    /// As in `svc.ns.svc.<cluster domain>`.
    pub(crate) cluster_domain: Arc<str>,
    /// For Namespaces that name no mode of their own.
    pub(crate) mode: PolicyMode,
}

impl Settings {
    /// The identity of a ServiceAccount's workloads. `None`: the names can't stand in a SPIFFE ID.
    pub(crate) fn identity(&self, account: &ObjectName) -> Option<SpiffeId> {
        SpiffeId::for_service_account(&self.trust_domain, &account.namespace, &account.name).ok()
    }
}

#[cfg(test)]
mod tests;
