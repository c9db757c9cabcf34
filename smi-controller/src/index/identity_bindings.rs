//! IdentityBindings.

use std::collections::BTreeMap;

use isthmus_core::id::{ObjectName, SpiffePattern};
use isthmus_k8s::access::IdentityBinding;

use super::{Object, table::name_of};
use crate::fault::{Fault, Reason};

/// The workloads that a binding names: those of any of these.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Binding {
    pub(crate) account: Option<ObjectName>,
    pub(crate) identities: Vec<SpiffePattern>,
    /// Labels that a pod of the binding's namespace must all have. Never empty.
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

/// Reads a binding.
pub(crate) fn read(binding: &IdentityBinding) -> Object<Binding> {
    let mut faults = Vec::new();
    let schemes = &binding.spec.schemes;
    let mut read = Binding::default();
    let account = schemes.service_account.as_deref().filter(|name| !name.is_empty());
    if account.is_some() && schemes.pod_label_selector.is_some() {
        // Which of the two was meant can't be known, so neither is taken (smi.md §1.2).
        let message = "spec.schemes: podLabelSelector and serviceAccount are mutually exclusive: remove one of them";
        faults.push(Fault::partly(Reason::InvalidBinding, message));
    } else {
        read.account = account.map(|name| ObjectName::new(name_of(binding).namespace, name));
        let labels = schemes.pod_label_selector.as_ref().map(|selector| &selector.match_labels);
        if labels.is_some_and(BTreeMap::is_empty) {
            let message =
                "spec.schemes.podLabelSelector.matchLabels is empty: it names no pod; name at least one label";
            faults.push(Fault::partly(Reason::InvalidBinding, message));
        }
        read.labels = labels.filter(|labels| !labels.is_empty()).cloned();
    }
    for (i, text) in schemes.spiffe_identities.iter().flatten().enumerate() {
        match SpiffePattern::parse_lenient(text) {
            Ok(id) => read.identities.push(id),
            Err(error) => {
                let message = format!("spec.schemes.spiffeIdentities[{i}]: {error}");
                faults.push(Fault::partly(Reason::InvalidSpiffeId, message));
            }
        }
    }
    if faults.is_empty() && read == Binding::default() {
        let message = "spec.schemes names nobody: set serviceAccount, podLabelSelector or spiffeIdentities";
        faults.push(Fault::partly(Reason::InvalidBinding, message));
    }
    Object::new(binding, read, faults)
}
