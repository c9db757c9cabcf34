//! Reading the index, with a note of what was read.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use isthmus_core::id::{ObjectName, TrustDomain};

use super::Settings;
use crate::{
    fault::{Kind, ObjectRef},
    index::{
        Binding, Export, Fact, Facts, Group, Import, Index, Mesh, NamespaceInfo, Object, Peer, Pod, PortRoute, Service,
        Slice, Split, TapAt, Target, Told,
    },
};

/// One writing of an object. The generation alone doesn't tell: an object that was deleted and made anew begins at 1 again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    uid: Arc<str>,
    generation: i64,
}

/// The objects of users that a compiled thing speaks for, as they were written.
pub(crate) type Objects = BTreeMap<ObjectRef, Revision>;

/// A view of the index that remembers what it showed.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    index: &'a Index,
    facts: RefCell<Facts>,
    objects: RefCell<Objects>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self { index, facts: RefCell::default(), objects: RefCell::default() }
    }

    /// What was looked at, and the objects that are in effect in the result.
    pub(crate) fn into_parts(self) -> (Facts, Objects) {
        (self.facts.into_inner(), self.objects.into_inner())
    }

    pub(crate) fn settings(&self) -> &'a Settings {
        &self.index.settings
    }

    /// Notes that the result is what it is because of this object.
    pub(crate) fn uses<T>(&self, kind: Kind, object: &Object<T>) {
        self.uses_at(kind, object, object.generation);
    }

    /// The same of an object whose part in the result has numbers of its own.
    pub(crate) fn uses_at<T>(&self, kind: Kind, object: &Object<T>, generation: i64) {
        let key = ObjectRef { kind, name: object.name.clone() };
        let revision = Revision { uid: object.uid.clone(), generation };
        self.objects.borrow_mut().insert(key, revision);
    }

    fn note(&self, fact: Fact) {
        self.facts.borrow_mut().insert(fact);
    }

    fn note_object(&self, kind: Kind, name: &ObjectName) {
        self.note(Fact::Object(ObjectRef { kind, name: name.clone() }));
    }

    pub(crate) fn service(&self, name: &ObjectName) -> Option<&'a Service> {
        self.note(Fact::Service(name.clone()));
        self.index.services.get(name)
    }

    pub(crate) fn service_at(&self, address: IpAddr) -> Option<&'a ObjectName> {
        self.note(Fact::Address(address));
        self.index.services.at(address)
    }

    pub(crate) fn pod_at(&self, address: IpAddr) -> Option<&'a Pod> {
        self.note(Fact::Address(address));
        self.index.pods.at(address)
    }

    pub(crate) fn slices(&self, service: &ObjectName) -> impl Iterator<Item = &'a Slice> {
        self.note(Fact::Slices(service.clone()));
        self.index.slices.of_service(service)
    }

    pub(crate) fn slices_with(&self, pod: &ObjectName) -> impl Iterator<Item = &'a Slice> {
        self.note(Fact::SlicesWith(pod.clone()));
        self.index.slices.with_pod(pod)
    }

    pub(crate) fn pod(&self, name: &ObjectName) -> Option<&'a Pod> {
        self.note(Fact::Pod(name.clone()));
        self.index.pods.get(name)
    }

    pub(crate) fn pods(&self, namespace: &'a Arc<str>) -> impl Iterator<Item = &'a Pod> {
        self.note(Fact::Pods(namespace.clone()));
        self.index.pods.in_namespace(namespace)
    }

    pub(crate) fn account_exists(&self, name: &ObjectName) -> bool {
        self.note(Fact::Account(name.clone()));
        self.index.accounts.contains(name)
    }

    pub(crate) fn namespace(&self, name: &Arc<str>) -> NamespaceInfo {
        self.note(Fact::Namespace(name.clone()));
        self.index.namespaces.get(name)
    }

    /// The split by which a root's traffic is divided.
    pub(crate) fn split_in_force(&self, root: &ObjectName) -> Option<&'a Object<Split>> {
        self.note(Fact::InForce(root.clone()));
        self.index.splits.in_force(root)
    }

    /// The Service whose endpoints the split of a root didn't wait for any longer.
    pub(crate) fn outwaited(&self, root: &ObjectName) -> Option<&'a ObjectName> {
        self.note(Fact::Outwaited(root.clone()));
        self.index.outwaited(root)
    }

    /// The splits of a root, the one that counts first.
    pub(crate) fn splits_of(&self, root: &ObjectName) -> impl Iterator<Item = &'a Object<Split>> {
        self.note(Fact::SplitsOf(root.clone()));
        self.index.splits.of_root(root)
    }

    pub(crate) fn split(&self, name: &ObjectName) -> Option<&'a Object<Split>> {
        self.note_object(Kind::TrafficSplit, name);
        self.index.splits.get(name)
    }

    pub(crate) fn target(&self, name: &ObjectName) -> Option<&'a Object<Target>> {
        self.note_object(Kind::TrafficTarget, name);
        self.index.targets.get(name)
    }

    pub(crate) fn targets_for(&self, account: &ObjectName) -> impl Iterator<Item = &'a Object<Target>> {
        self.note(Fact::TargetsFor(account.clone()));
        self.index.targets.for_account(account)
    }

    pub(crate) fn targets_by_binding(&self, namespace: &Arc<str>) -> impl Iterator<Item = &'a Object<Target>> {
        self.note(Fact::TargetsByBinding(namespace.clone()));
        self.index.targets.by_binding(namespace)
    }

    pub(crate) fn group(&self, name: &ObjectName) -> Option<&'a Object<Group>> {
        self.note_object(Kind::HttpRouteGroup, name);
        self.index.groups.get(name)
    }

    /// The groups of a namespace that say how traces are sampled.
    pub(crate) fn sampled_groups(&self, namespace: &Arc<str>) -> impl Iterator<Item = &'a Object<Group>> {
        self.note(Fact::SampledGroups(namespace.clone()));
        let groups = self.index.groups.in_namespace(namespace.clone());
        groups.filter(|group| group.content.trace_sampling.is_some())
    }

    /// Who watches pods of a namespace.
    pub(crate) fn taps(&self, namespace: &Arc<str>) -> impl Iterator<Item = &'a TapAt> {
        self.note(Fact::Taps(namespace.clone()));
        let namespace = namespace.clone();
        self.index.taps.iter().filter(move |tap| tap.namespace == namespace)
    }

    pub(crate) fn tcp_route(&self, name: &ObjectName) -> Option<&'a Object<PortRoute>> {
        self.note_object(Kind::TcpRoute, name);
        self.index.tcp_routes.get(name)
    }

    pub(crate) fn udp_route(&self, name: &ObjectName) -> Option<&'a Object<PortRoute>> {
        self.note_object(Kind::UdpRoute, name);
        self.index.udp_routes.get(name)
    }

    pub(crate) fn binding(&self, name: &ObjectName) -> Option<&'a Object<Binding>> {
        self.note_object(Kind::IdentityBinding, name);
        self.index.bindings.get(name)
    }

    /// The Mesh object of this cluster's own mesh.
    pub(crate) fn own_mesh(&self) -> Option<&'a Object<Mesh>> {
        self.mesh(&ObjectName::new("", self.settings().mesh.as_str()))
    }

    pub(crate) fn mesh(&self, name: &ObjectName) -> Option<&'a Object<Mesh>> {
        self.note_object(Kind::Mesh, name);
        self.index.meshes.get(name)
    }

    /// The oldest first.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &'a Object<Peer>> {
        self.note(Fact::Peers);
        self.index.peers.iter()
    }

    pub(crate) fn peer(&self, name: &ObjectName) -> Option<&'a Object<Peer>> {
        self.note_object(Kind::MeshPeer, name);
        self.index.peers.get(name)
    }

    /// The oldest of those whose trust domain could be taken for this one.
    pub(crate) fn first_peer_like(&self, domain: &TrustDomain) -> Option<&'a Object<Peer>> {
        self.note(Fact::Peers);
        self.index.peers.first_like(domain)
    }

    pub(crate) fn exports(&self) -> impl Iterator<Item = &'a Object<Export>> {
        self.note(Fact::Exports);
        self.index.exports.iter()
    }

    pub(crate) fn export(&self, name: &ObjectName) -> Option<&'a Object<Export>> {
        self.note_object(Kind::ExportedService, name);
        self.index.exports.get(name)
    }

    pub(crate) fn exports_of(&self, service: &ObjectName) -> impl Iterator<Item = &'a Object<Export>> {
        self.note(Fact::ExportsOf(service.clone()));
        self.index.exports.of_service(service)
    }

    /// Where other meshes have found that this one's clusters export a Service differently.
    pub(crate) fn told_of(&self, service: &ObjectName) -> impl Iterator<Item = &'a Told> {
        self.note(Fact::ExportsOf(service.clone()));
        self.index.exports.told_of(service)
    }

    pub(crate) fn imports(&self) -> impl Iterator<Item = &'a Object<Import>> {
        self.note(Fact::Imports);
        self.index.imports.iter()
    }

    pub(crate) fn import(&self, name: &ObjectName) -> Option<&'a Object<Import>> {
        self.note_object(Kind::ImportedService, name);
        self.index.imports.get(name)
    }

    /// The Services that were made for imports.
    pub(crate) fn imported(&self) -> impl Iterator<Item = &'a Service> {
        self.note(Fact::Imported);
        self.index.services.imported()
    }

    /// The imports under a Service's name, the one in effect first.
    pub(crate) fn imports_as(&self, service: &ObjectName) -> impl Iterator<Item = &'a Object<Import>> {
        self.note(Fact::ImportsAs(service.clone()));
        self.index.imports.of_local(service)
    }

    /// The imports that stand in for a Service, in their order, with their places.
    pub(crate) fn standing_in_for(&self, service: &ObjectName) -> impl Iterator<Item = (u8, &'a Object<Import>)> {
        self.note(Fact::FailoversFor(service.clone()));
        self.index.imports.standing_in_for(service)
    }

    /// Why the present form of an object can't be read, if so, and of which generation.
    pub(crate) fn malformed(&self, object: &ObjectRef) -> Option<&'a isthmus_k8s::watch::Malformed> {
        self.note(Fact::Object(object.clone()));
        self.index.malformed.get(object)
    }
}

/// Every object of a user that is known, readable or not.
pub(crate) fn all_objects(index: &Index) -> BTreeSet<ObjectRef> {
    let of = |kind: Kind| move |name: &ObjectName| ObjectRef { kind, name: name.clone() };
    let mut all: BTreeSet<ObjectRef> = index.malformed.keys().cloned().collect();
    all.extend(index.splits.iter().map(|o| &o.name).map(of(Kind::TrafficSplit)));
    all.extend(index.targets.iter().map(|o| &o.name).map(of(Kind::TrafficTarget)));
    all.extend(index.groups.iter().map(|o| &o.name).map(of(Kind::HttpRouteGroup)));
    all.extend(index.tcp_routes.iter().map(|o| &o.name).map(of(Kind::TcpRoute)));
    all.extend(index.udp_routes.iter().map(|o| &o.name).map(of(Kind::UdpRoute)));
    all.extend(index.bindings.iter().map(|o| &o.name).map(of(Kind::IdentityBinding)));
    all.extend(index.meshes.iter().map(|o| &o.name).map(of(Kind::Mesh)));
    all.extend(index.peers.iter().map(|o| &o.name).map(of(Kind::MeshPeer)));
    all.extend(index.exports.iter().map(|o| &o.name).map(of(Kind::ExportedService)));
    all.extend(index.imports.iter().map(|o| &o.name).map(of(Kind::ImportedService)));
    all
}
