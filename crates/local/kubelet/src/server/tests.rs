use http_body_util::{BodyExt, Empty};

use super::*;
use crate::runtime::LogOptions;
use crate::testing::{CLIENT, Harness, LIMIT};

fn get(path: &str) -> Request<Empty<bytes::Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn only_the_api_server_is_answered() {
    let harness = Harness::start().await;
    assert_eq!(harness.text("/healthz").await, (StatusCode::OK, "ok".into()));
    assert!(harness.ask(None, get("/healthz")).await.is_err(), "no certificate, no connection");
    let answer = harness.ask(Some("kubernetes-admin"), get("/healthz")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn logs_pass_all_options_on() {
    let harness = Harness::start().await;
    let query = "previous=true&tailLines=5&sinceSeconds=9&timestamps=1&limitBytes=100&sinceTime=2026-01-01T00:00:00Z";
    let (code, text) = harness.text(&format!("/containerLogs/shop/web-1/web?{query}")).await;
    assert_eq!(code, StatusCode::OK);
    let wanted = LogOptions {
        follow: false,
        previous: true,
        tail_lines: Some(5),
        since_seconds: Some(9),
        since_time: Some("2026-01-01T00:00:00Z".into()),
        timestamps: true,
        limit_bytes: Some(100),
    };
    assert_eq!(text.trim_end(), format!("{wanted:?}"));
}

#[tokio::test]
async fn faults_are_told_as_text() {
    let harness = Harness::start().await;
    let (code, text) = harness.text("/containerLogs/shop/web-1/nobody").await;
    assert_eq!((code, text.as_str()), (StatusCode::NOT_FOUND, "container \"nobody\" not found in pod \"web-1\""));
    let (code, text) = harness.text("/containerLogs/shop/web-1/web?tailLines=-1").await;
    assert_eq!((code, text.as_str()), (StatusCode::BAD_REQUEST, "tailLines: \"-1\" is not a whole number from 0"));
    for (path, wanted) in [
        ("/exec/shop/web-1/web?output=1", StatusCode::BAD_REQUEST),
        ("/exec/shop/web-1/web?command=cat", StatusCode::BAD_REQUEST),
        ("/exec/shop/web-1/web?command=cat&output=1", StatusCode::BAD_REQUEST),
        ("/portForward/shop/web-1", StatusCode::BAD_REQUEST),
        ("/attach/shop/web-1/web", StatusCode::NOT_FOUND),
        ("/", StatusCode::NOT_FOUND),
        ("//", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(harness.text(path).await.0, wanted, "{path}");
    }
    let old = [("upgrade", "SPDY/3.1"), ("x-stream-protocol-version", "channel.k8s.io")];
    let refused = harness.upgrade("/exec/shop/web-1/web?command=cat&output=1", &old).await;
    assert_eq!(refused.err(), Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn a_followed_log_arrives_as_it_is_written() {
    let harness = Harness::start().await;
    let answer = harness.ask(Some(CLIENT), get("/containerLogs/shop/web-1/web?follow=true")).await.unwrap();
    let mut body = answer.into_body();
    let first = tokio::time::timeout(LIMIT, body.frame()).await.unwrap().unwrap().unwrap();
    assert!(String::from_utf8_lossy(first.data_ref().unwrap()).contains("follow: true"));
}
