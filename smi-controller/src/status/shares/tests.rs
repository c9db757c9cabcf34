use futures::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::{
    fault::Kind,
    metrics::Metrics,
    serve::Registry,
    telemetry::{Answer, End, Observation, SourceError},
    testing::*,
};

fn shares(counts: &[(u32, u64)]) -> Measured {
    let share = |(i, (weight, requests)): (usize, &(u32, u64))| {
        (ObjectName::new("shop", format!("b{i}").as_str()), Share { weight: *weight, requests: *requests })
    };
    Measured::Shares(counts.iter().enumerate().map(share).collect())
}

fn changes(before: &[(u32, u64)], now: &[(u32, u64)]) -> bool {
    is_new(&shares(before), &shares(now))
}

#[test]
fn only_what_says_something_else_is_told() {
    let before = [(50, 1000), (50, 1000)];
    assert!(!changes(&before, &[(50, 1020), (50, 990)]));
    assert!(!changes(&before, &[(50, 1500), (50, 1500)]), "more of the same");
    assert!(changes(&before, &[(50, 2000), (50, 2000)]), "twice as many");
    assert!(changes(&before, &[(50, 500), (50, 500)]));
    assert!(changes(&before, &[(50, 1050), (50, 950)]), "two points");
    assert!(changes(&before, &[(50, 1400), (50, 600)]), "another verdict");
    assert!(changes(&before, &[(40, 1000), (60, 1000)]), "another weight");
    assert!(changes(&[(50, 0), (50, 0)], &[(50, 1), (50, 0)]));
    assert!(!changes(&[(50, 0), (50, 0)], &[(50, 0), (50, 0)]));
    assert!(!changes(&[(50, 20), (50, 20)], &[(50, 30), (50, 25)]), "of so few a share says nothing");
    assert!(is_new(&Measured::Incomparable, &shares(&before)));
}

#[test]
fn a_window_is_filled_by_one_generation_alone() {
    let at = |seconds| window(Duration::from_secs(seconds));
    assert_eq!((at(0), at(17), at(18)), (None, None, Some(10)));
    assert_eq!((at(37), at(38), at(128), at(615), at(100_000)), (Some(10), Some(30), Some(120), Some(600), Some(3600)));
}

/// Says that all windows have seen this.
struct Told(Vec<(&'static str, f64)>);

impl Source for Told {
    fn observe(&self, query: Query) -> BoxFuture<'_, Result<Answer, SourceError>> {
        let observation = |(backend, successes): &(&str, f64)| Observation {
            direction: query.direction,
            own: End::default(),
            peer: End::default(),
            service: None,
            backend: Some(ObjectName::new("shop", *backend)),
            split: Some(ObjectName::new("shop", "s")),
            totals: Totals { successes: *successes, ..Totals::default() },
        };
        let observations = self.0.iter().map(observation).collect();
        Box::pin(async move { Ok(Answer { observations, warnings: Vec::new() }) })
    }
}

#[tokio::test]
async fn what_a_generation_has_dealt_is_measured_once_it_is_in_effect() {
    let backends =
        json!([{"service": "blue", "weight": 1}, {"service": "green", "weight": 1}, {"service": "gone", "weight": 2}]);
    let manifests = [
        service("web", "10.43.0.1", &[80]),
        service("blue", "10.43.0.2", &[80]),
        service("green", "10.43.0.3", &[80]),
        object("TrafficSplit", "s", json!({"service": "web", "backends": backends})),
    ];
    let mut registry = Registry::new(index_of([]), Vec::new());
    registry.update(manifests.map(applied));
    let hub = Arc::new(Hub::new(registry, Metrics::register(&prometheus::Registry::new()).unwrap()));
    let told = Told(vec![("blue", 600.0), ("green", 601.0), ("elsewhere", 9.0)]);
    let all = Shares::new(hub.clone(), Arc::new(told));
    let object = ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", "s") };
    let checked = |generation| Checked { uid: "u".into(), generation, faults: Vec::new() };
    let (start, later) = (Instant::now(), Instant::now() + Duration::from_secs(60));

    assert_eq!(all.of(&object, &checked(1), false, start), None);
    all.look(later).await;
    assert_eq!(all.of(&object, &checked(1), true, start), None, "it wasn't in effect");
    all.look(start + Duration::from_secs(5)).await;
    assert_eq!(all.of(&object, &checked(1), true, start), None, "that was too early");
    hub.with(|registry| registry.take_unsettled());
    all.look(later).await;
    let share = |name, requests| (ObjectName::new("shop", name), Share { weight: 1, requests });
    let expected = Some(Measured::Shares(vec![share("blue", 600), share("green", 601)]));
    assert_eq!(all.of(&object, &checked(1), false, later), expected, "a proxy that has just come changes nothing");
    assert!(hub.with(|registry| registry.take_unsettled()).contains(&object));
    all.look(later).await;
    assert!(hub.with(|registry| registry.take_unsettled()).is_empty(), "the same again");
    assert_eq!(all.of(&object, &checked(2), true, later), None, "another generation begins anew");
}

#[tokio::test]
async fn a_backend_at_some_ports_alone_makes_shares_incomparable() {
    let backends = json!([{"service": "blue", "weight": 1}, {"service": "green", "weight": 1}]);
    let index = index_of([
        service("web", "10.43.0.1", &[80, 81]),
        service("blue", "10.43.0.2", &[80]),
        service("green", "10.43.0.3", &[80, 81]),
        object("TrafficSplit", "s", json!({"service": "web", "backends": backends})),
    ]);
    let measured = measure(&index, &ObjectName::new("shop", "s"), &BTreeMap::new());
    assert_eq!(measured, Some(Measured::Incomparable));
    assert_eq!(measure(&index, &ObjectName::new("shop", "none"), &BTreeMap::new()), None);
}
