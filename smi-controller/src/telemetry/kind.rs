//! The resources that TrafficMetrics speaks of.

use kube::core::ApiResource;

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    DaemonSet,
    Deployment,
    Job,
    Namespace,
    Node,
    Pod,
    ReplicaSet,
    ReplicationController,
    Service,
    StatefulSet,
    TrafficSplit,
}

impl Kind {
    /// All of the spec's.
    pub(crate) const ALL: [Self; 11] = [
        Self::DaemonSet,
        Self::Deployment,
        Self::Job,
        Self::Namespace,
        Self::Node,
        Self::Pod,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::Service,
        Self::StatefulSet,
        Self::TrafficSplit,
    ];

    /// Kubernetes' own name of the kind.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::Job => "Job",
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::Service => "Service",
            Self::StatefulSet => "StatefulSet",
            Self::TrafficSplit => "TrafficSplit",
        }
    }

    /// As it stands in paths.
    pub(crate) fn plural(self) -> String {
        format!("{}s", self.singular())
    }

    pub(crate) fn singular(self) -> String {
        self.as_str().to_ascii_lowercase()
    }

    pub(crate) fn of_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == plural)
    }

    pub(crate) fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node)
    }

    /// Where Kubernetes itself serves it.
    pub(crate) fn resource(self) -> ApiResource {
        let (group, version) = match self {
            Self::Namespace | Self::Node | Self::Pod | Self::ReplicationController | Self::Service => ("", "v1"),
            Self::DaemonSet | Self::Deployment | Self::ReplicaSet | Self::StatefulSet => ("apps", "v1"),
            Self::Job => ("batch", "v1"),
            Self::TrafficSplit => ("split.smi-spec.io", "v1alpha4"),
        };
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: self.as_str().to_owned(),
            plural: self.plural(),
        }
    }
}
