use isthmus_api::{
    control::v1::{ControllerMessage, controller_message::Content},
    encode::telemetry_key,
    telemetry,
};
use isthmus_core::{
    telemetry::settings::{AccessLog, Settings, Tracing},
    trace::Ratio,
};
use serde_json::Value;

use crate::support::{
    app, client,
    control::Script,
    eventually,
    mesh::{Pod, allow, id, service},
};

const VIP: (&str, u16) = ("10.43.5.5", 80);

fn sampled(parts: u32) -> Settings {
    let tracing = Tracing { sample: Some(Ratio::per_million(parts)), ..Tracing::default() };
    Settings { access_log: AccessLog { on: Some(false), ..AccessLog::default() }, tracing, families: Some(Vec::new()) }
}

async fn shown(pod: &Pod) -> Value {
    let config = client::text(client::get(pod.admin, "/config").await.unwrap()).await;
    serde_json::from_str::<Value>(&config).unwrap()["telemetry"]["settings"].take()
}

#[tokio::test]
async fn settings_are_applied_while_running_and_the_last_good_ones_stay() {
    let script = Script::start().await;
    script.set_policy("web", allow(&[]));
    script.set_telemetry("web", sampled(250_000));
    let pod = Pod::start(&script, "web", &[], &[]).await;
    script.acknowledged("web", &telemetry_key()).await;
    let said = shown(&pod).await;
    assert_eq!((&said["tracing"]["sample"], &said["accessLog"]["on"]), (&0.25.into(), &false.into()));
    assert_eq!(said["metricFamilies"], serde_json::json!([]));
    script.set_telemetry("web", sampled(0));
    script.acknowledged("web", &telemetry_key()).await;
    assert_eq!(shown(&pod).await["tracing"]["sample"], 0.0);
    let mut bad = telemetry::encode(&sampled(1));
    bad.tracing.as_mut().unwrap().per_million = Some(2_000_000);
    let content = Some(Content::Telemetry(bad));
    script.send_raw("web", ControllerMessage { key: Some(telemetry_key()), version: "bad".into(), content });
    eventually("a refusal", async || !script.refusals("web").is_empty()).await;
    assert!(script.refusals("web")[0].reason.contains("2000000"));
    assert_eq!(shown(&pod).await["tracing"]["sample"], 0.0);
}

#[tokio::test]
async fn an_older_controller_is_asked_for_no_more_than_it_knows() {
    let script = Script::start().await;
    script.be_old();
    for pod in ["caller", "callee"] {
        script.set_policy(pod, allow(&[&id("caller")]));
    }
    let caller = Pod::start(&script, "caller", &[], &[VIP]).await;
    let callee = Pod::start(&script, "callee", &[8080], &[]).await;
    app::http((callee.app, 8080).into(), "app").await;
    let connected = async || caller.metric("isthmus_control_connected").await == 1.0;
    // Once with them, then without; and it stays like that.
    let wanted =
        || script.subscriptions("caller").iter().filter(|s| s.key == Some(isthmus_api::encode::inbound_key())).count();
    eventually("a second session", async || wanted() == 2 && connected().await).await;
    script.set_destination(VIP.0, VIP.1, service(&[callee.endpoint(8080)], None));
    eventually("an answer", async || {
        client::get(caller.call(0), "/").await.is_ok_and(|response| response.status() == 200)
    })
    .await;
    assert_eq!(wanted(), 2);
    assert_eq!(shown(&caller).await, Value::Null);
}
