//! The hub that meshes are joined by.

use serde_json::{Value, json};

use super::{InstallConfig, RoleConfig, labels_of, member::Member, metadata_of, rbac};

/// The name of the hub's Deployment, Service, ServiceAccount and Lease.
pub const HUB: &str = "isthmus-hub";
/// Port of the hub, for members (gRPC).
pub const HUB_PORT: u16 = 15030;
/// Port of its admin server.
const ADMIN_PORT: u16 = 15031;
/// User that it runs as.
const UID: u32 = 2104;
const GRACE: u32 = 15;

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
    };
    let account = json!({ "kind": "ServiceAccount", "name": HUB, "namespace": config.namespace });
    let cluster = json!({ "name": HUB, "labels": labels_of(HUB) });
    vec![
        hub.account(config),
        rbac::role("ClusterRole", cluster.clone(), members()),
        rbac::binding("ClusterRole", HUB, cluster, &account),
        rbac::role("Role", metadata_of(config, HUB), at_home()),
        rbac::binding("Role", HUB, metadata_of(config, HUB), &account),
        hub.service(config),
        hub.deployment(config),
    ]
}

fn members() -> Vec<Value> {
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
    vec![
        rbac::rule("federation.isthmus.mesh", &["meshes"], &verbs),
        rbac::rule("federation.isthmus.mesh", &["meshes/status"], &["get", "update", "patch"]),
    ]
}

fn at_home() -> Vec<Value> {
    vec![
        rbac::rule("coordination.k8s.io", &["leases"], &["create"]),
        rbac::named("coordination.k8s.io", "leases", &[HUB], &["get", "update"]),
    ]
}
