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
        asks_kubernetes: true,
        env: Vec::new(),
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

/// Members are its own to make, but not to change in what people say of them. It has no right to Secrets: the mesh's keys are there.
fn members() -> Vec<Value> {
    vec![
        rbac::rule("federation.isthmus.mesh", &["meshes"], &["get", "list", "watch", "create"]),
        rbac::rule("federation.isthmus.mesh", &["meshes/status"], &["update"]),
    ]
}

fn at_home() -> Vec<Value> {
    vec![
        rbac::rule("coordination.k8s.io", &["leases"], &["create"]),
        rbac::named("coordination.k8s.io", "leases", &[HUB], &["get", "update"]),
    ]
}
