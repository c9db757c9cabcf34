//! The mesh's roots: what proxies are sent, and how far they have come with them.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_core::id::{ObjectName, TrustDomain};
use isthmus_identity::{Bundle, Duty, RootId, Standing};

use super::{Key, Proxy, Registry, SessionId, telling};
use crate::{
    compile::{self, Reader},
    fault::{Kind, ObjectRef},
    index::Pod,
};

/// How far it is with a peer that is being revoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Farewell {
    /// Proxies that hold its bundle still.
    pub(crate) holding: usize,
    /// All that are connected.
    pub(crate) proxies: usize,
    /// Connections that were cut.
    pub(crate) cut: u64,
    /// There may be proxies that nothing is known of.
    pub(crate) unknown: bool,
}

/// How far the connected proxies are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Standings(pub(crate) BTreeMap<ObjectName, Standing>);

impl Registry {
    /// What proxies may trust, this mesh's own first, then its peers'.
    pub(crate) fn bundles(&self) -> Vec<Bundle> {
        compile::bundles(&Reader::new(&self.index), &self.bundles)
    }

    /// These are this mesh's own from now on: the proxies are told.
    pub(crate) fn set_bundles(&mut self, bundles: Vec<Bundle>) {
        self.bundles = bundles;
        self.version_of_roots.take();
        self.effects.news.sequence();
        if self.resources.contains_key(&Key::Bundles) {
            self.make(&Key::Bundles);
        }
    }

    /// A proxy has cut connections, because at their other end was a trust domain that a version of the roots leaves out; or a
    /// gateway, which goes by its routes: `None`.
    pub(crate) fn has_cut(&mut self, version: Option<&str>, connections: u32) {
        if connections > 0 {
            self.cuts.add(version, connections);
            let leaving = self.index.peers.iter().filter(|peer| peer.content.leaving);
            for name in leaving.map(|peer| peer.name.clone()) {
                self.effects.news.object(&ObjectRef { kind: Kind::MeshPeer, name });
            }
        }
    }

    /// The number of the change of the roots that has left out a trust domain, if it is out and that was not long ago.
    pub(crate) fn left_out(&self, domain: &TrustDomain) -> Option<u64> {
        self.cuts.left_out(domain)
    }

    /// The connections that the proxies connected here have cut on account of a change of the roots, or of later ones.
    pub(crate) fn cut(&self, sequence: u64) -> u64 {
        self.cuts.since(sequence)
    }

    /// A proxy shows a leaf of this root.
    pub(crate) fn certified(&mut self, id: SessionId, root: RootId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.leaf = Some(root);
            self.effects.news.proxy(&session.pod);
        }
    }

    /// How far it is with a peer that is being revoked.
    pub(crate) fn farewell(&self, peer: &ObjectName) -> Farewell {
        let object = ObjectRef { kind: Kind::MeshPeer, name: peer.clone() };
        let effect = self.state_of(&object).map(|(_, effect)| effect).unwrap_or_default();
        let here = self.resources.get(&Key::Bundles).map_or(0, |resource| resource.subscribers.len());
        let there: usize = self.others.told().map(|told| told.proxies.len()).sum();
        let proxies = (here + there).saturating_sub(self.others.twice().values().sum());
        Farewell { holding: effect.concerned, proxies, cut: effect.cut, unknown: effect.unknown.is_some() }
    }

    /// The pods that should have a proxy, or are gateways.
    pub(crate) fn expected_proxies(&self) -> BTreeSet<ObjectName> {
        let gateways = self.index.pods.in_namespace(&self.index.settings.namespace).filter(|pod| self.is_gateway(pod));
        self.index.pods.meshed().chain(gateways).map(|pod| pod.name.clone()).collect()
    }

    /// Is it one of them?
    pub(super) fn is_expected(&self, pod: &ObjectName) -> bool {
        self.index.pods.get(pod).is_some_and(|pod| pod.meshed || self.is_gateway(pod))
    }

    /// They are no sidecars, and hold the roots all the same: for their sessions here.
    fn is_gateway(&self, pod: &Pod) -> bool {
        let gateway = self.index.settings.gateway();
        pod.name.namespace == gateway.namespace && pod.account == gateway.name && !pod.addresses.is_empty()
    }

    /// How far each connected proxy is with what is asked of it, here and at the other replicas. Where two know of it, it is as
    /// far as it is for the one that it is less far for: one of them is out of date.
    pub(crate) fn standings(&self, duty: Duty) -> Standings {
        let present = self.version_of_roots().map(|version| &**version);
        let mut all: BTreeMap<ObjectName, Standing> =
            self.sessions.values().map(|s| (s.pod.clone(), standing(telling::proxy(s), duty, present))).collect();
        for (pod, proxy) in self.others.told().flat_map(|told| &told.proxies) {
            let there = standing(proxy.clone(), duty, present);
            let known = all.entry(pod.clone()).or_insert_with(|| there.clone());
            if *known == Standing::Done {
                *known = there;
            }
        }
        Standings(all)
    }
}

fn standing(proxy: Proxy, duty: Duty, present: Option<&str>) -> Standing {
    match duty {
        Duty::None => Standing::Done,
        Duty::LeafOf(root) if proxy.leaf == Some(root) => Standing::Done,
        Duty::LeafOf(_) => Standing::Behind,
        Duty::HoldBundle if present == Some(&*proxy.held) => Standing::Done,
        Duty::HoldBundle => proxy.refusal.map_or(Standing::Behind, Standing::Refused),
    }
}

#[cfg(test)]
mod tests;
