use std::sync::Arc;

use serde_json::json;
use tokio::time::{advance, timeout};

use super::*;
use crate::testing::{applied, index_of, object, service};

fn hub() -> Arc<Hub> {
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    Arc::new(Hub::new(Registry::new(index_of([service("web", "10.43.0.10", &[80])]), Vec::new()), metrics))
}

fn split(weight: u64) -> Update {
    applied(object("TrafficSplit", "s", json!({"service": "web", "backends": [{"service": "web", "weight": weight}]})))
}

#[tokio::test(start_paused = true)]
async fn a_change_alone_is_taken_in_at_once_and_a_burst_in_few_batches() {
    let hub = hub();
    let (send, receive) = mpsc::channel(1000);
    let follow = hub.clone();
    tokio::spawn(async move { follow.follow(receive).await });
    let mut revision = hub.revision.subscribe();
    let start = Instant::now();
    send.send(split(1)).await.unwrap();
    revision.changed().await.unwrap();
    assert_eq!((start.elapsed(), hub.metrics.batches.get()), (Duration::ZERO, 1));
    // One each millisecond for a fifth of a second.
    for weight in 2..=200 {
        send.send(split(weight)).await.unwrap();
        advance(Duration::from_millis(1)).await;
    }
    let all = revision.wait_for(|_| hub.metrics.changes.get() == 200);
    timeout(Duration::from_secs(1), all).await.unwrap().unwrap();
    let batches = hub.metrics.batches.get();
    assert!((30..=45).contains(&batches), "{batches} batches, not one for each change");
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_is_there_at_once_is_one_batch() {
    let hub = hub();
    let (send, receive) = mpsc::channel(1000);
    for weight in 1..=1000 {
        send.try_send(split(weight)).unwrap();
    }
    drop(send);
    hub.follow(receive).await;
    assert_eq!((hub.metrics.changes.get(), hub.metrics.batches.get()), (1000, 1));
}
