//! Keeping the roots in the webhook configurations, in the definitions of converted kinds and in the APIServices: without
//! them the API server doesn't trust this server.

use std::time::Duration;

use isthmus_runtime::readiness::Pending;
use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::definitions;
use crate::{
    ca::SharedRoots,
    install::{INJECTOR, METRICS_API, TAP_API, VALIDATOR},
};

/// How often the configurations are looked at.
const PERIOD: Duration = Duration::from_secs(30);
/// How often, until they are right for the first time.
const FIRST_PERIOD: Duration = Duration::from_millis(500);

/// Writes the roots (PEM) into all of them while this replica holds the lease. `pending` ends when all are
/// right, or aren't installed; `written` then says of which sequence the roots are.
pub(crate) async fn keep_bundle(
    (client, namespace): (Client, String),
    mut roots: SharedRoots,
    mut leader: watch::Receiver<bool>,
    pending: Pending,
    written: watch::Sender<u64>,
    stop: CancellationToken,
) {
    let mut pending = Some(pending);
    loop {
        let leads = *leader.borrow_and_update();
        let bundle = roots.borrow_and_update().bundle();
        match all_right(&client, &namespace, &ByteString(bundle.to_pem().into_bytes()), leads).await {
            Ok(true) => {
                written.send_replace(bundle.sequence);
                drop(pending.take());
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "couldn't write the roots into the webhook configurations and the APIService")
            }
        }
        let period = if pending.is_some() { FIRST_PERIOD } else { PERIOD };
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            changed = leader.changed() => if changed.is_err() { return },
            changed = roots.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

async fn all_right(client: &Client, namespace: &str, root: &ByteString, write: bool) -> Result<bool, kube::Error> {
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let mut right = true;
    if let Some(mut found) = mutating.get_opt(INJECTOR).await? {
        let configs = found.webhooks.iter_mut().flatten().map(|webhook| &mut webhook.client_config);
        if set(configs, root) {
            right = write;
            if write {
                mutating.replace(INJECTOR, &PostParams::default(), &found).await?;
                tracing::info!(configuration = INJECTOR, "wrote the roots");
            }
        }
    }
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    if let Some(mut found) = validating.get_opt(VALIDATOR).await? {
        let configs = found.webhooks.iter_mut().flatten().map(|webhook| &mut webhook.client_config);
        if set(configs, root) {
            right &= write;
            if write {
                validating.replace(VALIDATOR, &PostParams::default(), &found).await?;
                tracing::info!(configuration = VALIDATOR, "wrote the roots");
            }
        }
    }
    let services: Api<APIService> = Api::all(client.clone());
    for name in [METRICS_API, TAP_API] {
        if let Some(mut found) = services.get_opt(name).await?
            && let Some(spec) = &mut found.spec
            && spec.ca_bundle.as_ref() != Some(root)
        {
            spec.ca_bundle = Some(root.clone());
            right &= write;
            if write {
                services.replace(name, &PostParams::default(), &found).await?;
                tracing::info!(api_service = name, "wrote the roots");
            }
        }
    }
    Ok(definitions::right(client, namespace, root, write).await? && right)
}

/// Did any differ?
fn set<'a>(configs: impl Iterator<Item = &'a mut WebhookClientConfig>, root: &ByteString) -> bool {
    let mut differed = false;
    for config in configs {
        if config.ca_bundle.as_ref() != Some(root) {
            config.ca_bundle = Some(root.clone());
            differed = true;
        }
    }
    differed
}
