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
    /// The targets whose destination is this ServiceAccount.
    TargetsFor(ObjectName),
    /// The targets of this namespace whose destination is an IdentityBinding.
    TargetsByBinding(Arc<str>),
    /// An SMI object itself.
    Object(ObjectRef),
}

/// A set of facts: read, or changed.
pub(crate) type Facts = HashSet<Fact>;
