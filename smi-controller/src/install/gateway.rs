//! The gateway to other meshes. It asks nothing of the Kubernetes API, so its account may do nothing.

use serde_json::{Value, json};

use super::{
    InstallConfig, RoleConfig,
    member::{Member, STATE_FOLDER},
};

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
        asks_kubernetes: false,
        env: env(config),
    };
    vec![gateway.account(config), gateway.service(config), gateway.deployment(config)]
}

fn env(config: &InstallConfig) -> Vec<Value> {
    // What it was told last, for a container that starts anew while the controller is away.
    let mut env = vec![json!({ "name": "ISTHMUS_ROUTES_FILE", "value": format!("{STATE_FOLDER}/routes") })];
    if !config.egress_from.is_empty() {
        env.push(json!({ "name": "ISTHMUS_EGRESS_FROM", "value": config.egress_from.join(",") }));
    }
    env
}
