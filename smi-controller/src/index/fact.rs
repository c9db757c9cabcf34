//! What a compiled thing may depend on.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use isthmus_core::id::ObjectName;

use crate::fault::ObjectRef;

/// One thing that can change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// Who has this address.
    Address(IpAddr),
    Service(ObjectName),
    /// The slices of this Service.
    Slices(ObjectName),
    /// The slices that this pod is in.
    SlicesWith(ObjectName),
    Pod(ObjectName),
    /// Any pod of this namespace.
    Pods(Arc<str>),
    Namespace(Arc<str>),
    Account(ObjectName),
    /// The splits of this root.
    SplitsOf(ObjectName),
    /// The split by which this root's traffic is divided.
    InForce(ObjectName),
    /// The Service whose endpoints this root's split didn't wait for any longer.
    Outwaited(ObjectName),
    /// The targets whose destination is this ServiceAccount.
    TargetsFor(ObjectName),
    /// The targets of this namespace whose destination is an IdentityBinding.
    TargetsByBinding(Arc<str>),
    /// The HTTPRouteGroups of this namespace that say how traces are sampled.
    SampledGroups(Arc<str>),
    /// Who watches pods of this namespace.
    Taps(Arc<str>),
    /// Any MeshPeer.
    Peers,
    /// Any ExportedService.
    Exports,
    /// The exports of this Service.
    ExportsOf(ObjectName),
    /// Any ImportedService.
    Imports,
    /// Any Service that was made for an import.
    Imported,
    /// The imports under this Service's name.
    ImportsAs(ObjectName),
    /// The imports that stand in for this Service.
    FailoversFor(ObjectName),
    /// An object of a user itself.
    Object(ObjectRef),
}

/// A set of facts: read, or changed.
pub(crate) type Facts = HashSet<Fact>;
