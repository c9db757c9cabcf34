//! Namespaces: their policy mode, and what is to be seen of their pods' traffic.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_core::inbound::PolicyMode;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use super::{Fact, Facts};
use crate::annotations::{self, POLICY_MODE, telemetry::Said};

/// What a Namespace says to the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NamespaceInfo {
    /// Its own mode; the mesh's when it names none, or none that exists.
    pub(crate) mode: Option<PolicyMode>,
    /// For pods that say nothing themselves.
    pub(crate) telemetry: Said,
}

/// All Namespaces.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    by_name: BTreeMap<Arc<str>, NamespaceInfo>,
}

impl Namespaces {
    pub(crate) fn get(&self, name: &str) -> NamespaceInfo {
        self.by_name.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn apply(&mut self, namespace: &Namespace, facts: &mut Facts) {
        let name: Arc<str> = namespace.name_any().into();
        let (telemetry, faults) = Said::read(namespace.annotations());
        let info = NamespaceInfo { mode: mode(namespace), telemetry };
        if self.by_name.get(&name) == Some(&info) {
            return;
        }
        for fault in faults {
            tracing::warn!(namespace = &*name, "{fault}; ignored");
        }
        self.by_name.insert(name.clone(), info);
        facts.insert(Fact::Namespace(name));
    }

    pub(crate) fn delete(&mut self, name: &str, facts: &mut Facts) {
        if let Some((name, _)) = self.by_name.remove_entry(name) {
            facts.insert(Fact::Namespace(name));
        }
    }
}

fn mode(namespace: &Namespace) -> Option<PolicyMode> {
    let text = namespace.annotations().get(POLICY_MODE)?;
    let mode = annotations::mode(text);
    if mode.is_none() {
        let namespace = namespace.name_any();
        tracing::warn!(%namespace, value = %text, "annotation {POLICY_MODE} must be enforce, audit or permissive: ignored");
    }
    mode
}
