use isthmus_core::telemetry::tap::{Filter, Tap};

use super::*;
use crate::index::{TapAt, TapTarget};

const PATIENCE: Duration = Duration::from_secs(10);

fn at(id: u64, target: TapTarget) -> TapAt {
    let tap = Tap { id, filter: Filter::default(), per_second: 10, lasts: HOUR };
    TapAt { namespace: "shop".into(), target, tap }
}

fn tapped(tap: u64, records: &[&str]) -> Message {
    let records = records.iter().map(|record| record.as_bytes().to_vec().into()).collect();
    Message::Tapped(proto::Tapped { tap, records, missed: 3 })
}

async fn taps_of(proxy: &mut Proxy) -> Vec<u64> {
    match proxy.hear_and_ack().await.content {
        Some(Content::Taps(taps)) => taps.taps.iter().map(|tap| tap.id).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tap_reaches_the_proxies_that_it_is_for_and_ends_with_its_reader() {
    let mut owned = pod("web-1", "web", "10.42.0.1");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "1", "controller": true}]);
    let server = serve([owned, pod("other", "web", "10.42.0.2")]).await.synced().await;
    let (mut web, mut other) = (server.proxy("web", "web-1").await, server.proxy("web", "other").await);
    for proxy in [&mut web, &mut other] {
        proxy.subscribe(encode::taps_key()).await;
        assert_eq!(taps_of(proxy).await, [0; 0]);
    }
    let mut tapping = server.hub.tap(at(7, TapTarget::Owner("StatefulSet".into(), "web".into()))).unwrap();
    assert_eq!(taps_of(&mut web).await, [7]);
    // Whom it isn't for has no say in it, nor has what is no record.
    other.say(tapped(7, &[r#"{"path":"/forged"}"#])).await;
    // A message that is answered says that those before it were read.
    other.subscribe(encode::inbound_key()).await;
    other.hear_and_ack().await;
    web.say(tapped(7, &["nonsense", r#"{"path":"/a"}"#, r#"["/b"]"#])).await;
    let sight = tokio::time::timeout(PATIENCE, tapping.sights.recv()).await.unwrap().unwrap();
    assert_eq!((sight.pod.to_string(), &sight.record["path"], sight.missed), ("shop/web-1".into(), &json!("/a"), 3));
    assert!(tapping.sights.try_recv().is_err());
    drop(tapping);
    assert_eq!(taps_of(&mut web).await, [0; 0]);
}

#[tokio::test]
async fn a_reader_who_is_slow_misses_and_there_are_no_more_taps_than_may_be() {
    let server = serve([pod("web-1", "web", "10.42.0.1")]).await.synced().await;
    let mut web = server.proxy("web", "web-1").await;
    web.subscribe(encode::taps_key()).await;
    assert_eq!(taps_of(&mut web).await, [0; 0]);
    let mut tapping = server.hub.tap(at(7, TapTarget::All)).unwrap();
    assert_eq!(taps_of(&mut web).await, [7]);
    let flood = vec![r#"{"path":"/a"}"#; 500];
    for _ in 0..3 {
        web.say(tapped(7, &flood)).await;
    }
    web.subscribe(encode::inbound_key()).await;
    web.hear_and_ack().await;
    let waiting = tapping.sights.len();
    assert!(waiting <= 1000, "{waiting}");
    while tapping.sights.try_recv().is_ok() {}
    web.say(tapped(7, &[r#"{"path":"/b"}"#])).await;
    let sight = tokio::time::timeout(PATIENCE, tapping.sights.recv()).await.unwrap().unwrap();
    assert!(sight.missed >= 500, "{}", sight.missed);
    let mut held: Vec<_> = (100..149).map(|id| server.hub.tap(at(id, TapTarget::All)).unwrap()).collect();
    assert!(server.hub.tap(at(200, TapTarget::All)).is_err());
    held.pop();
    assert!(server.hub.tap(at(200, TapTarget::All)).is_ok());
}
