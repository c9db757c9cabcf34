//! What the control plane changes while the load goes on: weights, endpoints, and a grant that nobody uses.

use std::time::{Duration, Instant};

use isthmus_core::{id::ObjectName, inbound::Grant};

use super::PROTOCOLS;
use crate::{
    control::Control,
    isthmus::{CALLEE_POD, WEIGHTS, destination, policy},
    namespace::SERVICE,
};

/// How often something changes.
const CHANGE: Duration = Duration::from_secs(5);

pub(super) async fn run(control: &Control, until: Instant) -> anyhow::Result<()> {
    let weights = [WEIGHTS, [50, 50], [100, 0], [10, 90]];
    for round in 0_usize.. {
        if Instant::now() + CHANGE > until {
            break;
        }
        tokio::time::sleep(CHANGE).await;
        let weights = weights.get(round % weights.len()).copied().unwrap_or(WEIGHTS);
        for protocol in PROTOCOLS {
            control.set_destination((SERVICE, protocol.service_port()).into(), destination(protocol, true, weights)?);
        }
        if round % 3 == 0 {
            let mut policy = policy(&PROTOCOLS)?;
            let more = policy.grants.first().map(|grant| Grant {
                name: ObjectName::new("shop", format!("unused-{round}")),
                sources: Vec::new(),
                ..grant.clone()
            });
            policy.grants.extend(more);
            control.set_policy(CALLEE_POD, policy);
        }
    }
    Ok(())
}
