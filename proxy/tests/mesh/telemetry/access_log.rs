use std::sync::{Arc, Mutex};

use http::Request;
use http_body_util::Full;
use isthmus_core::telemetry::settings::{AccessLog, LogFormat, Settings};
use isthmus_proxy::{
    Config,
    access_log::{Lane, Lines},
};
use serde_json::Value;

use crate::support::{
    app,
    client::{self},
    control::Script,
    eventually,
    mesh::{Pod, Spec, allow, deny, id, service},
};

const VIP: (&str, u16) = ("10.43.5.5", 80);

/// The access log of all proxies of this process that are told so.
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Kept;

impl Lines for Kept {
    fn lane(&self) -> Box<dyn Lane> {
        Box::new(Self)
    }
}

impl Lane for Kept {
    fn put(&self, write: &mut dyn FnMut(&mut Vec<u8>)) {
        write(&mut LINES.lock().unwrap());
    }
}

fn kept(config: &mut Config) {
    config.access_log.lines = Arc::new(Kept);
}

fn lines(of: &str) -> Vec<String> {
    let text = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    text.lines().filter(|line| line.contains(of)).map(str::to_owned).collect()
}

async fn pair(script: &Script) -> (Pod, Pod) {
    for pod in ["caller", "callee"] {
        script.set_policy(pod, allow(&[&id("caller")]));
    }
    let caller = Pod::launch(script, Spec { name: "caller", ports: &[], calls: &[VIP], edit: kept });
    let callee = Pod::launch(script, Spec { name: "callee", ports: &[8080], calls: &[], edit: kept });
    tokio::join!(caller.ready(), callee.ready());
    app::http((callee.app, 8080).into(), "app").await;
    script.set_destination(VIP.0, VIP.1, service(&[callee.endpoint(8080)], None));
    (caller, callee)
}

#[tokio::test]
async fn one_line_says_all_but_what_was_said() {
    let script = Script::start().await;
    let (caller, _callee) = pair(&script).await;
    let request = Request::post("/one-line?token=secret-of-the-query")
        .header("host", "web")
        .header("authorization", "Bearer secret-of-the-header")
        .header("cookie", "secret-of-the-cookie")
        .header("user-agent", "secret-of-the-agent")
        .body(Full::from("secret-of-the-body"))
        .unwrap();
    let response = client::send(caller.call(0), request).await.unwrap();
    assert_eq!(client::text(response).await, "app");
    eventually("both lines", async || lines("/one-line").len() == 2).await;
    for text in lines("/one-line") {
        assert!(!text.contains("secret"), "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["target"], &line["path"], &line["status"]),
            (&"access".into(), &"/one-line".into(), &200.into())
        );
        assert_eq!((&line["method"], &line["bytes_in"], &line["bytes_out"]), (&"POST".into(), &18.into(), &3.into()));
        assert!(line["duration_us"].as_u64().unwrap() > 0 && line["timestamp"].as_str().unwrap().ends_with('Z'));
        let (peer, service) = match line["direction"].as_str().unwrap() {
            "outbound" => ("callee", "shop/web"),
            _ => ("caller", "shop/web"),
        };
        assert_eq!((&line["peer"], &line["peer_namespace"]), (&id(peer).as_str().into(), &"shop".into()), "{text}");
        assert!(line["direction"] == "inbound" || line["backend"] == "shop/web");
        assert!(line.get("service").is_none_or(|s| s == service), "{text}");
        assert_eq!(line.get("grant").is_some(), line["direction"] == "inbound", "{text}");
    }
}

#[tokio::test]
async fn it_is_switched_while_running_and_denials_are_always_in_it() {
    let script = Script::start().await;
    let (caller, _callee) = pair(&script).await;
    let ask = async |path: &str| client::get(caller.call(0), path).await.unwrap().status().as_u16();
    let set = async |access_log: AccessLog| {
        script.set_telemetry("caller", Settings { access_log, ..Settings::default() });
        script.acknowledged("caller", &isthmus_api::encode::telemetry_key()).await;
    };
    let ours = |path: &str| lines(path).into_iter().filter(|line| line.contains("outbound")).collect::<Vec<_>>();
    set(AccessLog { on: Some(false), ..AccessLog::default() }).await;
    assert_eq!(ask("/switch-off").await, 200);
    set(AccessLog { on: Some(true), format: Some(LogFormat::Text), sample: None }).await;
    assert_eq!(ask("/switch-text").await, 200);
    eventually("a line", async || ours("/switch-text").len() == 1).await;
    assert!(ours("/switch-text")[0].contains(" path=/switch-text status=200 "), "{:?}", ours("/switch-text"));
    assert!(ours("/switch-off").is_empty());
    // None of what goes well; the callee, which isn't sampled, has a line of each.
    let none = AccessLog { on: Some(true), format: None, sample: "0".parse().ok() };
    set(none).await;
    assert_eq!(ask("/sampled-well").await, 200);
    script.set_telemetry("callee", Settings { access_log: none, ..Settings::default() });
    script.acknowledged("callee", &isthmus_api::encode::telemetry_key()).await;
    script.set_policy("callee", deny());
    script.acknowledged("callee", &isthmus_api::encode::inbound_key()).await;
    assert_eq!(ask("/sampled-denied").await, 403);
    eventually("its line", async || !lines("/sampled-denied").is_empty()).await;
    assert!(lines("/sampled-denied")[0].contains("\"deny\":\""), "{:?}", lines("/sampled-denied"));
    assert!(ours("/sampled-well").is_empty());
}
