//! The control protocol: what is applied, refused, kept and asked for (design §5).

use std::time::Duration;

use http::StatusCode;
use isthmus_api::{
    control::v1::{ControllerMessage, EndpointsDelta, controller_message::Content, resource_key::Kind},
    delta,
    encode::{destination_key, inbound_key},
};
use isthmus_core::{destination::DestinationKey, id::SpiffeId};

use crate::support::{
    app,
    client::{self, field},
    control::Script,
    eventually,
    mesh::{Pod, Spec, allow, id, service},
};

const VIP: (&str, u16) = ("10.43.5.5", 80);

struct Trio {
    script: Script,
    caller: Pod,
    one: Pod,
    two: Pod,
}

impl Trio {
    async fn start() -> Self {
        let script = Script::start().await;
        for pod in ["caller", "one", "two"] {
            script.set_policy(pod, allow(&[&id("caller")]));
        }
        let (caller, one, two) = tokio::join!(
            Pod::start(&script, "caller", &[], &[VIP, ("10.43.5.6", 80)]),
            Pod::start(&script, "one", &[8080], &[]),
            Pod::start(&script, "two", &[8080], &[]),
        );
        app::http((one.app, 8080).into(), "one").await;
        app::http((two.app, 8080).into(), "two").await;
        script.set_destination(VIP.0, VIP.1, service(&[one.endpoint(8080)], None));
        let trio = Self { script, caller, one, two };
        assert_eq!(trio.ask().await, "one");
        trio
    }

    async fn ask(&self) -> String {
        client::text(client::get(self.caller.call(0), "/").await.unwrap()).await
    }

    fn key() -> isthmus_api::control::v1::ResourceKey {
        destination_key(&DestinationKey { host: VIP.0.into(), port: VIP.1 })
    }
}

#[tokio::test]
async fn a_controller_that_is_away_changes_nothing() {
    let trio = Trio::start().await;
    trio.script.stop();
    eventually("the loss is seen", async || trio.caller.metric("isthmus_control_connected").await == 0.0).await;
    assert_eq!(trio.ask().await, "one");
    assert_eq!(client::get(trio.caller.admin, "/ready").await.unwrap().status(), 200);
    // A new connection to a known destination, too; and inbound rules hold.
    let plain = client::get((trio.one.ip, 8080).into(), "/").await.unwrap();
    assert_eq!((plain.status(), field(&plain, "x-isthmus-deny")), (StatusCode::FORBIDDEN, "no-identity".into()));
}

#[tokio::test]
async fn an_unknown_destination_is_passed_through_while_the_controller_is_away() {
    let trio = Trio::start().await;
    app::http("127.0.0.7:18099".parse().unwrap(), "outside").await;
    trio.script.stop();
    eventually("the loss is seen", async || trio.caller.metric("isthmus_control_connected").await == 0.0).await;
    // At first the controller may be back any moment; after that nobody waits for it.
    for reason in ["no-answer", "controller-away"] {
        let request = http::Request::get("http://127.0.0.7:18099/").body(Default::default()).unwrap();
        let response = client::send(trio.caller.explicit(), request).await.unwrap();
        assert_eq!(client::text(response).await, "outside");
        let degraded = format!("isthmus_degraded_lookups_total{{reason=\"{reason}\"}}");
        assert_eq!(trio.caller.metric(&degraded).await, 1.0);
    }
}

#[tokio::test]
async fn a_reconnecting_proxy_says_what_it_holds_and_gets_what_changed() {
    let trio = Trio::start().await;
    let held = trio.script.version_of(VIP.0, VIP.1);
    trio.script.stop();
    trio.script.set_destination(VIP.0, VIP.1, service(&[trio.two.endpoint(8080)], None));
    trio.script.resume().await;
    trio.script.acknowledged("caller", &Trio::key()).await;
    assert_eq!(trio.ask().await, "two");
    let again = trio.script.subscriptions("caller");
    let last = again.iter().rev().find(|s| s.key == Some(Trio::key())).unwrap();
    assert_eq!(last.held, held);
    let inbound = again.iter().rev().find(|s| s.key == Some(inbound_key())).unwrap();
    assert!(!inbound.held.is_empty());
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_refused_and_the_good_one_stays() {
    let trio = Trio::start().await;
    let mut policy = isthmus_api::encode::inbound(&allow(&[&id("caller")]));
    policy.grants[0].sources[0].spiffe_id = "not an id".into();
    let message =
        ControllerMessage { key: Some(inbound_key()), version: "bad".into(), content: Some(Content::Inbound(policy)) };
    trio.script.send_raw("one", message);
    eventually("a refusal", async || !trio.script.refusals("one").is_empty()).await;
    let refusal = &trio.script.refusals("one")[0];
    assert_eq!(refusal.version, "bad");
    assert!(refusal.reason.contains("not an id"), "{}", refusal.reason);
    assert_eq!(trio.ask().await, "one");
}

#[tokio::test]
async fn deltas_change_endpoints_and_a_gap_is_healed() {
    let trio = Trio::start().await;
    let old = service(&[trio.one.endpoint(8080)], None);
    let new = service(&[trio.two.endpoint(8080)], None);
    let from = trio.script.version_of(VIP.0, VIP.1);
    let send = |version: &str, change: EndpointsDelta| {
        let content = Some(Content::Endpoints(change));
        trio.script.send_raw("caller", ControllerMessage { key: Some(Trio::key()), version: version.into(), content });
    };
    send("v2", delta::between(&old, &new, &from).unwrap());
    eventually("the delta is applied", async || trio.ask().await == "two").await;
    let before = trio.script.subscriptions("caller").len();
    // From a version that isn't held: the whole is asked for, which is still `old` here.
    send("v9", delta::between(&new, &old, "v8").unwrap());
    eventually("the whole is applied", async || trio.ask().await == "one").await;
    assert!(trio.script.refusals("caller").iter().any(|r| r.version == "v9" && r.reason.contains("v8")));
    let more = &trio.script.subscriptions("caller")[before..];
    assert!(more.iter().any(|s| matches!(s.key.as_ref().and_then(|k| k.kind.as_ref()), Some(Kind::Destination(_)))));
}

#[tokio::test]
async fn certificates_are_renewed_in_time() {
    let script = Script::start().await;
    script.set_lifetime(Duration::from_secs(3));
    script.set_policy("short", allow(&[&id("caller")]));
    let pod = Pod::start(&script, "short", &[8080], &[]).await;
    app::http((pod.app, 8080).into(), "short").await;
    let renewals = "isthmus_certificate_requests_total{outcome=\"ok\"}";
    eventually("two renewals", async || pod.metric(renewals).await >= 3.0).await;
    let tls = script.tls(id("caller").as_str());
    let stream = client::mesh_tls((pod.ip, 8080).into(), &tls, "isthmus-http/1.1", &pod.id).await.unwrap();
    assert_eq!(client::get_over(stream, "/").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_sidecar_started_without_a_controller_becomes_ready_when_it_comes() {
    let script = Script::start().await;
    script.stop();
    script.set_policy("early", allow(&[&id("caller")]));
    let pod = Pod::launch(&script, Spec { name: "early", ports: &[8080], calls: &[], edit: |_| {} });
    eventually("the admin server", async || client::get(pod.admin, "/live").await.is_ok_and(|r| r.status() == 200))
        .await;
    assert_eq!(client::get(pod.admin, "/ready").await.unwrap().status(), 503);
    script.resume().await;
    pod.ready().await;
}

#[tokio::test]
async fn a_controller_with_another_identity_is_not_listened_to() {
    let script = Script::start().await;
    let other: SpiffeId = id("not-the-controller");
    assert_ne!(other.as_str(), crate::support::control::CONTROLLER);
    let pod = Pod::launch(
        &script,
        Spec { name: "misled", ports: &[], calls: &[], edit: |config| config.controller_id = id("not-the-controller") },
    );
    let failed = "isthmus_certificate_requests_total{outcome=\"failed\"}";
    eventually("the admin server", async || client::get(pod.admin, "/live").await.is_ok()).await;
    eventually("a refusal", async || {
        let metrics = client::text(client::get(pod.admin, "/metrics").await.unwrap()).await;
        metrics.contains(failed)
    })
    .await;
    assert_eq!(client::get(pod.admin, "/ready").await.unwrap().status(), 503);
}
