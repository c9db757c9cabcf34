//! What TrafficMetrics says of the shop, by the API that everybody has.

use std::time::Duration;

use tokio::time::Instant;

use super::shop::{NAMESPACE, Shop};
use crate::views::{
    Fault,
    api::{MetricsApi, Query, Sample, Scope},
    kinds::Resource,
};

/// Proxies tell what they have counted every two seconds; a new aggregated API takes as long to be found.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many requests each backend of a split got, once so many are counted.
pub(super) async fn shares(shop: &Shop, split: &str, requests: f64) -> anyhow::Result<String> {
    let query = Query { window: "5m".to_owned(), ..Query::default() };
    let api = MetricsApi::new(shop.client.clone(), query);
    let scope = Scope::Namespace(NAMESPACE.to_owned());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told: Result<Vec<Sample>, Fault> = api.get(Resource::splits(), &scope, split).await;
        let counted = |samples: &Vec<Sample>| samples.iter().map(|s| s.golden.requests()).sum::<f64>() >= requests;
        if told.as_ref().is_ok_and(counted) || Instant::now() >= deadline {
            return Ok(words(&told?));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn words(samples: &[Sample]) -> String {
    let mut backends: Vec<String> = samples
        .iter()
        .map(|sample| {
            let name = sample.backend.as_ref().map_or("(no backend)", |backend| &backend.name);
            format!("{name} {}", sample.golden.requests())
        })
        .collect();
    backends.sort();
    let failures: f64 = samples.iter().map(|sample| sample.golden.failures).sum();
    let outcome = if failures > 0.0 { format!("{failures} failed") } else { "all well".to_owned() };
    format!("{}, {outcome}", backends.join(", "))
}
