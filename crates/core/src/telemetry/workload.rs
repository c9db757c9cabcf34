//! Who is at one end of a connection, as telemetry names it.

use std::sync::Arc;

use crate::id::SpiffeId;

/// Longest name of a pod or of its owner, in bytes.
pub const MAX_WORKLOAD_NAME: usize = 253;
/// Longest kind of an owner, in bytes.
pub const MAX_WORKLOAD_KIND: usize = 63;

/// A pod and what owns it: `Deployment` and its name, say; `Pod` and the pod's own where nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owned {
    kind: Arc<str>,
    name: Arc<str>,
    pod: Arc<str>,
}

impl Owned {
    /// Names as Kubernetes makes them: bounded, and of characters that mean nothing to a label, a log or a terminal. `None` for others.
    pub fn new(kind: &str, name: &str, pod: &str) -> Option<Self> {
        let fits = |text: &str, longest: usize, also: &[u8]| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || also.contains(&b);
            !text.is_empty() && text.len() <= longest && text.bytes().all(plain)
        };
        let named = |text| fits(text, MAX_WORKLOAD_NAME, b"-._");
        (fits(kind, MAX_WORKLOAD_KIND, b"") && named(name) && named(pod)).then(|| Self {
            kind: kind.into(),
            name: name.into(),
            pod: pod.into(),
        })
    }

    /// The owner's kind, as Kubernetes spells it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The owner's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pod.
    pub fn pod(&self) -> &str {
        &self.pod
    }
}

/// A workload, for those who count and show what passes; nobody is let in by it. What isn't known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Workload {
    /// Its trust domain.
    pub mesh: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its ServiceAccount.
    pub service_account: Arc<str>,
    /// The kind of what owns it.
    pub kind: Arc<str>,
    /// The name of what owns it.
    pub name: Arc<str>,
    /// Its pod.
    pub pod: Arc<str>,
}

impl Workload {
    /// What an identity alone tells.
    pub fn of(id: &SpiffeId) -> Self {
        let (namespace, account) = id.service_account().unwrap_or_default();
        Self {
            mesh: id.trust_domain().as_str().into(),
            namespace: namespace.into(),
            service_account: account.into(),
            ..Self::default()
        }
    }

    /// The same, with the pod and its owner.
    #[must_use]
    pub fn with(self, owned: Owned) -> Self {
        let Owned { kind, name, pod } = owned;
        Self { kind, name, pod, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_plain() {
        let long = |length| "a".repeat(length);
        assert!(Owned::new("Deployment", "web", "web-5b6c.0_1").is_some());
        assert!(Owned::new(&long(63), &long(253), &long(253)).is_some());
        let bad = [
            ("", "web", "web"),
            ("Pod", "", "web"),
            ("Pod", "web", ""),
            ("Po/d", "web", "web"),
            ("Pod", "w\"b", "web"),
        ];
        assert!(bad.iter().all(|(kind, name, pod)| Owned::new(kind, name, pod).is_none()));
        assert!(Owned::new(&long(64), "web", "web").is_none());
        assert!(Owned::new("Pod", &long(254), "web").is_none() && Owned::new("Pod", "web", "w\u{1b}[2J").is_none());
    }

    #[test]
    fn an_identity_of_another_form_names_its_mesh_alone() {
        let web = Workload::of(&"spiffe://east.local/ns/shop/sa/web".parse().unwrap());
        assert_eq!((&*web.mesh, &*web.namespace, &*web.service_account, &*web.pod), ("east.local", "shop", "web", ""));
        let vm = Workload::of(&"spiffe://east.local/vm/seven".parse().unwrap());
        assert_eq!((&*vm.mesh, &*vm.namespace, &*vm.service_account), ("east.local", "", ""));
    }
}
