//! The mesh's roots: what proxies are sent, and how far they have come with them.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_core::id::{ObjectName, TrustDomain};
use isthmus_identity::{Bundle, Duty, RootId, Standing};

use super::{Key, Registry, SessionId};
use crate::{
    compile::{self, Reader},
    fault::ObjectRef,
};

/// How far the proxies that are connected here are.
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
        if self.resources.contains_key(&Key::Bundles) {
            self.make(&Key::Bundles);
        }
    }

    /// A proxy has cut connections, because at their other end was a trust domain that a version of the roots leaves out.
    pub(crate) fn has_cut(&mut self, version: &str, connections: u32) {
        self.cuts.add(version, connections);
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
        }
    }

    /// Of a peer that is being revoked: how many connected proxies hold its bundle still, how many there are, and how many
    /// connections were cut.
    pub(crate) fn farewell(&self, peer: &ObjectName, domain: Option<&TrustDomain>) -> (usize, usize, u64) {
        let object = ObjectRef { kind: crate::fault::Kind::MeshPeer, name: peer.clone() };
        let holding = self.state_of(&object).map_or(0, |(_, effect)| effect.concerned);
        let all = self.resources.get(&Key::Bundles).map_or(0, |resource| resource.subscribers.len());
        let change = domain.and_then(|domain| self.left_out(domain));
        (holding, all, change.map_or(0, |change| self.cut(change)))
    }

    /// The pods that should have a proxy, or are gateways.
    pub(crate) fn expected_proxies(&self) -> BTreeSet<ObjectName> {
        let gateway = self.index.settings.gateway();
        let gateways = self.index.pods.in_namespace(&self.index.settings.namespace);
        // They are no sidecars, and hold the roots all the same: for their sessions here.
        let gateways = gateways.filter(|pod| pod.account == gateway.name && !pod.addresses.is_empty());
        self.index.pods.meshed().chain(gateways).map(|pod| pod.name.clone()).collect()
    }

    /// How far each connected proxy is with what is asked of it.
    pub(crate) fn standings(&self, duty: Duty) -> Standings {
        let present = self.resources.get(&Key::Bundles).and_then(|resource| resource.compiled.as_ref());
        let standing = |session: &super::Session| match duty {
            Duty::None => Standing::Done,
            Duty::LeafOf(root) if session.leaf == Some(root) => Standing::Done,
            Duty::LeafOf(_) => Standing::Behind,
            Duty::HoldBundle => {
                let subscription = session.subscriptions.get(&Key::Bundles);
                let held = subscription.and_then(|subscription| subscription.version_in_effect());
                let refusal = subscription.and_then(|subscription| subscription.refusal());
                match (present, refusal) {
                    (Some(present), _) if held == Some(&*present.version) => Standing::Done,
                    (_, Some(reason)) => Standing::Refused(reason.to_owned()),
                    _ => Standing::Behind,
                }
            }
        };
        Standings(self.sessions.values().map(|session| (session.pod.clone(), standing(session))).collect())
    }
}

#[cfg(test)]
mod tests;
