//! `postStart` and `preStop`.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, LifecycleHandler};

use super::shared::PodShared;
use crate::probe::ask;

/// Runs a hook to its end, or to the limit.
pub(super) async fn run(
    shared: &PodShared,
    container: &Container,
    hook: &LifecycleHandler,
    limit: Duration,
) -> Result<(), String> {
    let Some(ip) = shared.state.borrow().ip else {
        return Err("the pod has no address".into());
    };
    if let Some(exec) = &hook.exec {
        let argv = exec.command.clone().unwrap_or_default();
        return match shared.exec_capture(&container.name, argv, limit).await {
            Ok((0, _)) => Ok(()),
            Ok((code, output)) => Err(format!("exited with {code}: {output}")),
            Err(error) => Err(error.to_string()),
        };
    }
    if let Some(get) = &hook.http_get {
        return ask::http(&shared.context.router, ip.into(), container, get, limit).await;
    }
    if let Some(sleep) = &hook.sleep {
        let asked = Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0));
        tokio::time::sleep(asked.min(limit)).await;
    }
    Ok(())
}
