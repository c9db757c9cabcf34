//! What shall go wrong on the links to other clusters, as tests ask by a ConfigMap.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::env::Sources;
use crate::pod::Context;
use crate::router::{BadFault, LinkFault};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "isthmus-links";
/// The entry that holds the faults, as JSON.
const ENTRY: &str = "faults";
/// The annotation that tells which text is in effect, or why the newest is not.
const TOLD: &str = "isthmus-local/in-effect";
const RETRY: Duration = Duration::from_secs(1);

/// Does as the ConfigMap says, for as long as the node runs.
pub(super) async fn follow(context: Arc<Context>) {
    let (mut objects, mut joined) = (context.objects.files.clone(), context.router.joined());
    let mut applied = Vec::new();
    loop {
        objects.mark_unchanged();
        joined.mark_unchanged();
        let map = context.objects.config_map(NAMESPACE, NAME);
        if let Err(error) = round(&context, map.as_deref(), &mut applied).await {
            tracing::warn!(%error, "faults of links not set");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        tokio::select! {
            Ok(()) = objects.changed() => {}
            Ok(()) = joined.changed() => {}
            else => return,
        }
    }
}

/// What a round may have to do again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Links(BadFault),
}

async fn round(context: &Context, map: Option<&ConfigMap>, applied: &mut Vec<LinkFault>) -> Result<(), Error> {
    let text = map.and_then(|map| map.data.as_ref()?.get(ENTRY)).map(String::as_str);
    let refused = |error: String| Some(format!("refused: {}: {error}", text.unwrap_or_default()));
    let told = match read(text) {
        Ok(faults) if faults == *applied => text.map(str::to_owned),
        Ok(faults) => match context.router.set_faults(faults.clone()).await {
            Ok(()) => {
                *applied = faults;
                text.map(str::to_owned)
            }
            Err(error @ (BadFault::UnknownCluster { .. } | BadFault::Jitter { .. })) => refused(error.to_string()),
            Err(error) => return Err(Error::Links(error)),
        },
        Err(error) => refused(error.to_string()),
    };
    let Some(map) = map else { return Ok(()) };
    let before = map.metadata.annotations.as_ref().and_then(|annotations| annotations.get(TOLD));
    if before == told.as_ref() {
        return Ok(());
    }
    let api: Api<ConfigMap> = Api::namespaced(context.config.client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {TOLD: told}}}));
    match api.patch(NAME, &PatchParams::default(), &patch).await {
        // It has gone; the next round sees that.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// No text, no faults.
fn read(text: Option<&str>) -> Result<Vec<LinkFault>, serde_json::Error> {
    text.map_or(Ok(Vec::new()), serde_json::from_str)
}
