//! The gateway to other meshes. It asks nothing of the Kubernetes API, so its account may do nothing.

use serde_json::{Value, json};

use super::{InstallConfig, RoleConfig, member::Member};

/// The name of the gateway's Deployment, Service and ServiceAccount.
pub const GATEWAY: &str = "isthmus-gateway";
/// Port of the gateway, for mesh TLS.
pub const GATEWAY_PORT: u16 = 15443;
/// Port of its admin server.
const ADMIN_PORT: u16 = 15021;
/// User that it runs as.
const UID: u32 = 2103;
/// Connections under way may go on for half a minute.
const GRACE: u32 = 45;

pub(super) fn manifests(config: &InstallConfig, role: &RoleConfig) -> Vec<Value> {
    let gateway = Member {
        name: GATEWAY,
        role,
        uid: UID,
        port: ("mesh", GATEWAY_PORT),
        admin_port: ADMIN_PORT,
        grace: GRACE,
        // There is never one less than there should be.
        strategy: json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } }),
        env: Vec::new(),
    };
    vec![gateway.account(config), gateway.service(config), gateway.deployment(config)]
}
