//! MeshPeers: the meshes that this one is joined with.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_core::{
    federation::MeshName,
    id::{InvalidId, ObjectName, TrustDomain},
};
use isthmus_federation::bundle_endpoint::{EndpointUrl, Profile};
use isthmus_identity::{Bundle, BundleDigest, Document, HeldBundle, likeness, trust_domain_fault};
use isthmus_k8s::federation::{BundleEndpoint, MeshPeer};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    fault::{Effect, Fault, Kind, Reason},
    index::{
        Fact, Facts, Object,
        table::{Applied, Table},
    },
};

/// A peer, as its object says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Peer {
    pub(crate) mesh: Option<MeshName>,
    pub(crate) trust_domain: Option<TrustDomain>,
    /// The first bundle to take.
    pub(crate) pin: Option<BundleDigest>,
    /// The Secret of the invitation that the relation began with.
    pub(crate) invitation: Option<String>,
    /// Pods of both meshes reach each other's addresses.
    pub(crate) flat: bool,
    /// Where it publishes its bundle, if not by the hub.
    pub(crate) endpoint: Option<Endpoint>,
    /// The bundle that the leader has verified.
    pub(crate) bundle: Option<HeldBundle>,
    /// Has a catalog of it ever come?
    pub(crate) heard: bool,
    /// It is being revoked: nothing of it counts any more.
    pub(crate) leaving: bool,
    /// Whoever deletes it waits for the receipt.
    pub(crate) guarded: bool,
}

/// A bundle endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) url: EndpointUrl,
    pub(crate) profile: Profile,
    /// The bundle to begin with.
    pub(crate) initial: Option<Bundle>,
}

/// All peers.
#[derive(Debug)]
pub(crate) struct Peers {
    table: Table<Peer>,
    by_age: BTreeSet<(Timestamp, ObjectName)>,
    /// Those that are well formed and stay, by what their trust domains look like; in each the oldest first.
    by_likeness: BTreeMap<String, BTreeSet<(Timestamp, ObjectName)>>,
}

impl Default for Peers {
    fn default() -> Self {
        Self { table: Table::new(Kind::MeshPeer), by_age: BTreeSet::new(), by_likeness: BTreeMap::new() }
    }
}

impl Object<Peer> {
    /// Is it well formed, and to stay?
    pub(crate) fn is_sound(&self) -> bool {
        !self.content.leaving && self.faults.iter().all(|fault| fault.effect != Effect::Excluded)
    }

    fn likeness(&self) -> Option<String> {
        self.content.trust_domain.as_ref().filter(|_| self.is_sound()).map(likeness)
    }
}

impl Peers {
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object<Peer>> {
        self.table.get(name)
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object<Peer>> {
        self.by_age.iter().filter_map(|(_, name)| self.table.get(name))
    }

    /// The oldest of those whose trust domain could be taken for this one.
    pub(crate) fn first_like(&self, domain: &TrustDomain) -> Option<&Object<Peer>> {
        let (_, name) = self.by_likeness.get(&likeness(domain))?.first()?;
        self.table.get(name)
    }

    pub(crate) fn change(&mut self, change: Option<Applied<Object<Peer>>>, facts: &mut Facts) {
        let Some(changed) = self.table.change(change, facts) else { return };
        facts.insert(Fact::Peers);
        if let Some(old) = changed.before {
            if let Some(likeness) = old.likeness()
                && let Some(alike) = self.by_likeness.get_mut(&likeness)
            {
                alike.remove(&(old.created, old.name.clone()));
                if alike.is_empty() {
                    self.by_likeness.remove(&likeness);
                }
            }
            self.by_age.remove(&(old.created, old.name));
        }
        if let Some(now) = changed.now.and_then(|name| self.table.get(&name)) {
            self.by_age.insert((now.created, now.name.clone()));
            if let Some(likeness) = now.likeness() {
                self.by_likeness.entry(likeness).or_default().insert((now.created, now.name.clone()));
            }
        }
    }
}

/// What holds a peer that is deleted until it is cut off everywhere.
pub(crate) const FINALIZER: &str = "isthmus.mesh/revocation";

/// Reads a peer's own fields, and the bundle that was verified for it.
pub(crate) fn read(peer: &MeshPeer) -> Object<Peer> {
    let mut faults = Vec::new();
    let name = peer.name_any();
    let mesh = name.parse::<MeshName>();
    if let Err(error) = &mesh {
        faults.push(Fault::excluded(Reason::InvalidName, format!("metadata.name: {error}")));
    }
    let text = &peer.spec.trust_domain;
    let trust_domain = match trust_domain_fault(text) {
        None => TrustDomain::new(text).ok(),
        Some(fault) => {
            faults.push(Fault::excluded(Reason::InvalidTrustDomain, format!("spec.trustDomain: {text:?}: {fault}")));
            None
        }
    };
    let pin = peer.spec.bundle_digest.as_deref().and_then(|text| {
        let pin = text.parse::<BundleDigest>();
        if let Err(error) = &pin {
            faults.push(Fault::excluded(Reason::InvalidDigest, format!("spec.bundleDigest: {error}")));
        }
        pin.ok()
    });
    let endpoint = peer.spec.bundle_endpoint.as_ref().zip(trust_domain.as_ref());
    let endpoint = endpoint.and_then(|(endpoint, domain)| {
        let read = read_endpoint(endpoint, domain);
        if let Err((field, error)) = &read {
            let message = format!("spec.bundleEndpoint.{field}: {error}");
            faults.push(Fault::unresolved(Reason::InvalidEndpoint, message));
        }
        read.ok()
    });
    let status = peer.status.as_ref();
    let held = status.and_then(|status| status.bundle.as_ref()).zip(trust_domain.clone());
    let bundle = held.and_then(|(bundle, domain)| {
        let held = HeldBundle::restore(domain, bundle.document.clone().into_bytes());
        if let Err(error) = &held {
            let message = format!("status.bundle: {error}; nothing of the mesh is trusted until its bundle comes anew");
            faults.push(Fault::unresolved(Reason::BundleUnreadable, message));
        }
        held.ok()
    });
    let content = Peer {
        mesh: mesh.ok(),
        trust_domain,
        pin,
        invitation: peer.spec.invitation.clone(),
        flat: peer.spec.flat_network.unwrap_or_default(),
        endpoint,
        bundle,
        heard: status.is_some_and(|status| !status.catalogs.is_empty()),
        leaving: peer.metadata.deletion_timestamp.is_some(),
        guarded: peer.finalizers().iter().any(|finalizer| finalizer == FINALIZER),
    };
    Object::new(peer, content, faults)
}

/// Reads where a bundle is published; an error comes with the field that it is of.
fn read_endpoint(endpoint: &BundleEndpoint, domain: &TrustDomain) -> Result<Endpoint, (&'static str, String)> {
    let url = endpoint.url.parse::<EndpointUrl>().map_err(|error| ("url", error.to_string()))?;
    let profile = match &endpoint.spiffe_id {
        Some(id) => Profile::Spiffe(id.parse().map_err(|error: InvalidId| ("spiffeId", error.to_string()))?),
        None => Profile::Web,
    };
    let initial = endpoint.initial_bundle.as_ref().map(|text| Document::read(domain.clone(), text.as_bytes()));
    let initial = initial.transpose().map_err(|error| ("initialBundle", error.to_string()))?;
    Ok(Endpoint { url, profile, initial: initial.map(|document| document.bundle) })
}
