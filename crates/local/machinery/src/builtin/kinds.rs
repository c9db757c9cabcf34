//! The table of names.

use crate::resource::{Resource, Subresource};

const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const NO_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const PART: &[&str] = &["get", "patch", "update"];

/// One line of the table.
struct Line {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    all: bool,
    namespaced: bool,
    subresources: &'static [&'static str],
    verbs: &'static [&'static str],
}

const fn line(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Line {
    Line { group, version, kind, plural, short: &[], all: false, namespaced: true, subresources: &[], verbs: ALL_VERBS }
}

impl Line {
    const fn short(mut self, short: &'static [&'static str]) -> Self {
        self.short = short;
        self
    }

    /// In the category `all`, which `kubectl get all` shows.
    const fn in_all(mut self) -> Self {
        self.all = true;
        self
    }

    const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn sub(mut self, subresources: &'static [&'static str]) -> Self {
        self.subresources = subresources;
        self
    }

    const fn verbs(mut self, verbs: &'static [&'static str]) -> Self {
        self.verbs = verbs;
        self
    }

    fn subresource(&self, name: &str) -> Subresource {
        let (group, version, kind, verbs): (_, _, _, &[&str]) = match name {
            "scale" => ("autoscaling", "v1", "Scale", PART),
            "token" => ("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
            "log" => (self.group, self.version, self.kind, &["get"]),
            "exec" => (self.group, self.version, "PodExecOptions", &["create", "get"]),
            "attach" => (self.group, self.version, "PodAttachOptions", &["create", "get"]),
            "portforward" => (self.group, self.version, "PodPortForwardOptions", &["create", "get"]),
            "binding" => (self.group, self.version, "Binding", &["create"]),
            "finalize" => (self.group, self.version, self.kind, &["update"]),
            _ => (self.group, self.version, self.kind, PART),
        };
        Subresource {
            name: name.to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            verbs: owned(verbs),
        }
    }

    fn resource(&self) -> Resource {
        Resource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            kind: self.kind.to_owned(),
            list_kind: format!("{}List", self.kind),
            plural: self.plural.to_owned(),
            singular: self.kind.to_lowercase(),
            short_names: owned(self.short),
            categories: if self.all { vec!["all".to_owned()] } else { Vec::new() },
            namespaced: self.namespaced,
            subresources: self.subresources.iter().map(|name| self.subresource(name)).collect(),
            verbs: owned(self.verbs),
        }
    }
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

const LINES: &[Line] = &[
    line("", "v1", "ConfigMap", "configmaps").short(&["cm"]),
    line("", "v1", "Endpoints", "endpoints").short(&["ep"]),
    line("", "v1", "Event", "events").short(&["ev"]),
    line("", "v1", "Namespace", "namespaces")
        .short(&["ns"])
        .cluster()
        .sub(&["finalize", "status"])
        .verbs(NO_COLLECTION),
    line("", "v1", "Node", "nodes").short(&["no"]).cluster().sub(&["status"]),
    line("", "v1", "Pod", "pods").short(&["po"]).in_all().sub(&[
        "attach",
        "binding",
        "exec",
        "log",
        "portforward",
        "status",
    ]),
    line("", "v1", "ReplicationController", "replicationcontrollers").short(&["rc"]).in_all().sub(&["scale", "status"]),
    line("", "v1", "Secret", "secrets"),
    line("", "v1", "ServiceAccount", "serviceaccounts").short(&["sa"]).sub(&["token"]),
    line("", "v1", "Service", "services").short(&["svc"]).in_all().sub(&["status"]),
    line(ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations").cluster(),
    line(ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations").cluster(),
    line("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions")
        .short(&["crd", "crds"])
        .cluster()
        .sub(&["status"]),
    line("apiregistration.k8s.io", "v1", "APIService", "apiservices").cluster().sub(&["status"]),
    line("apps", "v1", "DaemonSet", "daemonsets").short(&["ds"]).in_all().sub(&["status"]),
    line("apps", "v1", "Deployment", "deployments").short(&["deploy"]).in_all().sub(&["scale", "status"]),
    line("apps", "v1", "ReplicaSet", "replicasets").short(&["rs"]).in_all().sub(&["scale", "status"]),
    line("apps", "v1", "StatefulSet", "statefulsets").short(&["sts"]).in_all().sub(&["scale", "status"]),
    line(AUTHENTICATION, "v1", "SelfSubjectReview", "selfsubjectreviews").cluster().verbs(&["create"]),
    line(AUTHENTICATION, "v1", "TokenReview", "tokenreviews").cluster().verbs(&["create"]),
    line(AUTHORIZATION, "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews").verbs(&["create"]),
    line(AUTHORIZATION, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews").cluster().verbs(&["create"]),
    line(AUTHORIZATION, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews").cluster().verbs(&["create"]),
    line(AUTHORIZATION, "v1", "SubjectAccessReview", "subjectaccessreviews").cluster().verbs(&["create"]),
    line("batch", "v1", "Job", "jobs").in_all().sub(&["status"]),
    line("coordination.k8s.io", "v1", "Lease", "leases"),
    line("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    line("events.k8s.io", "v1", "Event", "events").short(&["ev"]),
    line(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings").cluster(),
    line(RBAC, "v1", "ClusterRole", "clusterroles").cluster(),
    line(RBAC, "v1", "RoleBinding", "rolebindings"),
    line(RBAC, "v1", "Role", "roles"),
];

pub(super) fn table() -> Vec<Resource> {
    LINES.iter().map(Line::resource).collect()
}
