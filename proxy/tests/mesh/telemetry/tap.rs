use std::time::Duration;

use http::Request;
use http_body_util::Full;
use isthmus_api::encode::taps_key;
use isthmus_core::telemetry::tap::{Filter, Tap};
use serde_json::Value;

use crate::support::{
    app, client,
    control::Script,
    eventually,
    mesh::{Pod, allow, id, service},
};

const VIP: (&str, u16) = ("10.43.5.5", 80);

fn tap(id: u64, filter: Filter) -> Tap {
    Tap { id, filter, per_second: 10, lasts: Duration::from_secs(60) }
}

struct Pair {
    script: Script,
    caller: Pod,
    _callee: Pod,
}

impl Pair {
    async fn start() -> Self {
        let script = Script::start().await;
        for pod in ["caller", "callee"] {
            script.set_policy(pod, allow(&[&id("caller")]));
        }
        let caller = Pod::start(&script, "caller", &[], &[VIP]).await;
        let callee = Pod::start(&script, "callee", &[8080], &[]).await;
        app::http((callee.app, 8080).into(), "app").await;
        script.set_destination(VIP.0, VIP.1, service(&[callee.endpoint(8080)], None));
        Self { script, caller, _callee: callee }
    }

    async fn post(&self, path: &str) {
        let request = Request::post(path)
            .header("host", "web")
            .header("authorization", "Bearer secret-of-the-header")
            .body(Full::from("secret-of-the-body"))
            .unwrap();
        let response = client::send(self.caller.call(0), request).await.unwrap();
        assert_eq!(response.status(), 200);
        client::text(response).await;
    }

    async fn watch(&self, pod: &str, taps: Vec<Tap>) {
        self.script.set_taps(pod, taps);
        self.script.acknowledged(pod, &taps_key()).await;
    }

    fn seen(&self, pod: &str) -> Vec<Value> {
        let told = self.script.tapped(pod);
        told.iter().flat_map(|t| &t.records).map(|record| serde_json::from_slice(record).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_tap_sees_what_it_asks_for_and_none_of_what_was_said() {
    let pair = Pair::start().await;
    pair.post("/before").await;
    let pay = Filter { path_prefix: Some("/pay".into()), inbound: Some(true), ..Filter::default() };
    pair.watch("callee", vec![tap(7, pay)]).await;
    pair.post("/pay/1?card=secret-of-the-query").await;
    pair.post("/other").await;
    pair.post("/pay/2").await;
    eventually("both", async || pair.seen("callee").len() == 2).await;
    let seen = pair.seen("callee");
    assert_eq!((&seen[0]["path"], &seen[1]["path"]), (&"/pay/1".into(), &"/pay/2".into()));
    assert_eq!((&seen[0]["direction"], &seen[0]["peer"]), (&"inbound".into(), &id("caller").as_str().into()));
    assert!(!format!("{seen:?}").contains("secret"));
    assert!(pair.seen("caller").is_empty());
    pair.watch("callee", Vec::new()).await;
    pair.post("/pay/3").await;
    pair.watch("callee", vec![tap(8, Filter::default())]).await;
    pair.post("/last").await;
    eventually("the last", async || pair.seen("callee").iter().any(|seen| seen["path"] == "/last")).await;
    assert!(!pair.seen("callee").iter().any(|seen| seen["path"] == "/pay/3"), "the tap was over");
}

#[tokio::test]
async fn a_flood_of_requests_is_no_flood_of_records() {
    let pair = Pair::start().await;
    let few = Tap { per_second: 1, ..tap(7, Filter::default()) };
    pair.watch("caller", vec![few]).await;
    for n in 0..50 {
        pair.post(&format!("/{n}")).await;
    }
    eventually("one", async || !pair.seen("caller").is_empty()).await;
    let count =
        async |outcome: &str| pair.caller.metric(&format!("isthmus_tapped_total{{outcome=\"{outcome}\"}}")).await;
    eventually("all have ended", async || count("missed").await + count("told").await >= 50.0).await;
    let (told, missed) = (count("told").await, count("missed").await);
    assert!((1.0..=30.0).contains(&told) && missed >= 20.0, "{told} told, {missed} missed");
}
