use std::{fs, time::Duration};

use clap::Parser;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Spec, run};
use crate::app::tests::{Cli, start};

#[test]
fn loads_are_told_apart() {
    let spec: Spec = "h1-new:80:http://callee:8080".parse().unwrap();
    assert_eq!((spec.name().as_str(), spec.rate, spec.target.as_str()), ("h1-new", 80, "http://callee:8080"));
    assert_eq!("tcp:20:store:6380".parse::<Spec>().unwrap().target, "store:6380");
    for (wrong, told) in [
        ("h1", "MODE:RATE:TARGET"),
        ("h3:1:http://a", "mode \"h3\""),
        ("h1:0:http://a", "from 1 to"),
        ("h1:fast:http://a", "from 1 to"),
    ] {
        let error = wrong.parse::<Spec>().unwrap_err();
        assert!(error.contains(wrong) && error.contains(told), "{error}");
    }
}

/// Loads with these loads until the report says what `enough` waits for; the last report.
async fn load(loads: &[String], enough: impl Fn(&Value) -> bool) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let loads = loads.join(",");
    let words = ["app", "load", "--load", &loads, "--report", dir.path().to_str().unwrap()];
    let args = Cli::parse_from(words).args.load;
    let shutdown = CancellationToken::new();
    let (stop, path) = (shutdown.clone(), dir.path().join("here.json"));
    let report = move || serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    let last = report.clone();
    let watching = tokio::spawn(async move { run(&args, "here", &shutdown).await });
    let seen = async {
        while !enough(&report()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap_or_else(|_| panic!("{}", last()));
    stop.cancel();
    watching.await.unwrap().unwrap();
    let last: Value = last();
    assert_eq!(last["ended"], true);
    last
}

#[tokio::test]
async fn every_answer_is_checked_and_counted() {
    let http = start(&["echo", "--version", "v7"]).await;
    let store = start(&["store"]).await;
    let loads = ["h1", "h1-new", "h2"].map(|mode| format!("{mode}:200:http://{http}"));
    let lines = ["tcp", "tcp-new"].map(|mode| format!("{mode}:200:{store}"));
    let modes = ["h1", "h1-new", "h2", "tcp", "tcp-new"];
    let enough = |report: &Value| modes.iter().all(|m| report["loads"][m]["succeeded"].as_u64() >= Some(10));
    let report = load(&[loads.to_vec(), lines.to_vec()].concat(), enough).await;
    for mode in modes {
        let counts = &report["loads"][mode];
        assert_eq!((&counts["failed"], &counts["sent"]), (&Value::from(0), &counts["succeeded"]), "{report}");
    }
    assert_eq!(report["loads"]["h1"]["versions"]["v7"], report["loads"]["h1"]["succeeded"]);
}

#[tokio::test]
async fn failures_are_told() {
    let store = start(&["store"]).await;
    let loads =
        ["h1:100:http://127.0.0.1:1".to_owned(), "tcp:100:127.0.0.1:1".to_owned(), format!("h2:100:http://{store}")];
    let enough = |report: &Value| ["h1", "tcp", "h2"].iter().all(|m| report["loads"][m]["failed"].as_u64() > Some(0));
    let report = load(&loads, enough).await;
    for mode in ["h1", "tcp"] {
        let why = &report["loads"][mode]["failures"][0]["why"];
        assert!(why.as_str().unwrap().starts_with("connect: "), "{report}");
    }
}

#[tokio::test]
async fn an_orderly_end_of_a_kept_connection_is_no_failure() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Answers one request per connection, then closes it without having said so.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let Some(id) = head.split_whitespace().nth(1).and_then(|path| path.strip_prefix("/load/")) else {
                continue;
            };
            let body = serde_json::json!({ "id": id, "host": "h", "version": "v" }).to_string();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let enough = |report: &Value| report["loads"]["h1"]["reopened"].as_u64() >= Some(5);
    let report = load(&[format!("h1:100:http://{address}")], enough).await;
    assert_eq!(report["loads"]["h1"]["failed"], 0, "{report}");
}
