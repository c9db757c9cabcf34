//! Events live for an hour.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Event;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};

use super::objects::{list, unless};

const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
const INTERVAL: Duration = Duration::from_secs(300);

pub(super) async fn run(client: Client) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = round(&client).await {
            tracing::debug!(%error, "old events are still there");
        }
    }
}

async fn round(client: &Client) -> Result<(), kube::Error> {
    let now = Timestamp::now();
    let events = list(&Api::<Event>::all(client.clone()), ListParams::default()).await?;
    for event in events.iter().filter(|event| is_old(event, now)) {
        let api = Api::<Event>::namespaced(client.clone(), &event.namespace().unwrap_or_default());
        unless(404, api.delete(&event.name_any(), &DeleteParams::default()).await)?;
    }
    Ok(())
}

/// Whether its last sign of life is an hour ago.
fn is_old(event: &Event, now: Timestamp) -> bool {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    let made = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    [series, last, first, made].into_iter().flatten().max().is_some_and(|seen| now.duration_since(seen) > LIFETIME)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_sign_of_life_counts() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let old = "2026-01-01T10:59:59Z";
        let young = "2026-01-01T11:00:00Z";
        for (event, wanted) in [
            (json!({ "lastTimestamp": old }), true),
            (json!({ "lastTimestamp": young }), false),
            (json!({ "firstTimestamp": old, "lastTimestamp": young }), false),
            (json!({ "eventTime": "2026-01-01T10:00:00.000000Z" }), true),
            (
                json!({ "eventTime": "2026-01-01T10:00:00.000000Z",
                        "series": { "count": 2, "lastObservedTime": "2026-01-01T11:30:00.000000Z" } }),
                false,
            ),
            (json!({}), false),
        ] {
            let mut whole = event.clone();
            whole["metadata"] = json!({});
            whole["involvedObject"] = json!({});
            assert_eq!(is_old(&serde_json::from_value(whole).unwrap(), now), wanted, "{event}");
        }
    }
}
