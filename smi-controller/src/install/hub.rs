//! The hub that meshes are joined by.

use serde_json::{Value, json};

use super::{InstallConfig, RoleConfig, labels_of, member::Member, metadata_of, rbac};

/// The name of the hub's Deployment, Service, ServiceAccount and Lease.
pub const HUB: &str = "isthmus-hub";
/// Port of the hub, for members (gRPC).
pub const HUB_PORT: u16 = 15030;
/// The namespace with the Secrets of invitations that the hub keeps. It isn't the control plane's, where the mesh's keys are: a role
/// can't tell Secrets apart by the beginning of their names, and a hub shall not be able to read those.
pub const HUB_NAMESPACE: &str = "isthmus-hub";
/// Port of its admin server.
const ADMIN_PORT: u16 = 15031;
/// User that it runs as.
const UID: u32 = 2104;
const GRACE: u32 = 15;
const ALL: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

pub(super) fn manifests(config: &InstallConfig, role: &RoleConfig) -> Vec<Value> {
    let hub = Member {
        name: HUB,
        role,
        uid: UID,
        port: ("grpc", HUB_PORT),
        admin_port: ADMIN_PORT,
        grace: GRACE,
        // Only the holder of the Lease is ready: a new one can't be before the old one has gone.
        strategy: json!({ "type": "Recreate" }),
        env: vec![json!({ "name": "ISTHMUS_HUB_NAMESPACE", "value": HUB_NAMESPACE })],
    };
    let account = json!({ "kind": "ServiceAccount", "name": HUB, "namespace": config.namespace });
    let cluster = json!({ "name": HUB, "labels": labels_of(HUB) });
    let kept = json!({ "name": HUB, "namespace": HUB_NAMESPACE, "labels": labels_of(HUB) });
    vec![
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": HUB_NAMESPACE, "labels": labels_of(HUB) }
        }),
        hub.account(config),
        rbac::role("ClusterRole", cluster.clone(), members()),
        rbac::binding("ClusterRole", HUB, cluster, &account),
        rbac::role("Role", metadata_of(config, HUB), at_home()),
        rbac::binding("Role", HUB, metadata_of(config, HUB), &account),
        rbac::role("Role", kept.clone(), invitations()),
        rbac::binding("Role", HUB, kept, &account),
        hub.service(config),
        hub.deployment(config),
    ]
}

fn members() -> Vec<Value> {
    vec![
        rbac::rule("federation.isthmus.mesh", &["meshes"], &ALL),
        rbac::rule("federation.isthmus.mesh", &["meshes/status"], &["get", "update", "patch"]),
    ]
}

fn invitations() -> Vec<Value> {
    vec![rbac::rule("", &["secrets"], &ALL)]
}

fn at_home() -> Vec<Value> {
    vec![
        rbac::rule("coordination.k8s.io", &["leases"], &["create"]),
        rbac::named("coordination.k8s.io", "leases", &[HUB], &["get", "update"]),
    ]
}
