//! `Expect: 100-continue`.

use super::{PORT, Pair, Stage, Wire};
use crate::support::{
    app,
    client::{self, field},
    mesh::allow,
};

const HEAD: &str = "POST /echo HTTP/1.1\r\nhost: web\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";

#[tokio::test]
async fn the_client_is_asked_for_its_body_when_the_application_asks() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut in_order = false;
    for _ in 0..10 {
        let mut client = Wire::open(pair.caller.call(0)).await;
        client.send(HEAD).await;
        let mut app = stage.next().await;
        assert!(app.head().await.contains("expect: 100-continue"));
        // Whatever the proxies would say by themselves they'd have said before this, unless the machine is so busy that more than
        // the time for it is over: then once more.
        app.send("HTTP/1.1 102 Processing\r\n\r\n").await;
        let first = client.head().await;
        app.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        if !first.starts_with("http/1.1 102") {
            continue;
        }
        in_order = true;
        assert_eq!(client.head().await, "http/1.1 100 continue\r\n\r\n");
        client.send("ping").await;
        assert_eq!(app.exactly(4).await, "ping");
        app.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong").await;
        let answer = client.head().await;
        assert!(answer.starts_with("http/1.1 200") && !answer.contains("connection: close"), "{answer}");
        assert_eq!(client.exactly(4).await, "pong");
        // The connections are as good as new.
        client.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        assert!(app.head().await.starts_with("get /"));
        app.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(client.head().await.starts_with("http/1.1 204"));
        break;
    }
    assert!(in_order);
}

#[tokio::test]
async fn a_final_answer_in_place_of_100_spares_the_body() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    for status in ["417 Expectation Failed", "401 Unauthorized", "307 Temporary Redirect"] {
        let mut client = Wire::open(pair.caller.call(0)).await;
        client.send(HEAD).await;
        let mut app = stage.next().await;
        app.head().await;
        app.send(&format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno")).await;
        let answer = client.head().await;
        assert!(answer.starts_with(&format!("http/1.1 {}", status.to_lowercase())), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        // Both connections end, without a byte of the body: what would come next, nobody knows.
        assert_eq!((client.rest().await.as_str(), app.rest().await.as_str()), ("no", ""));
    }
}

#[tokio::test]
async fn a_success_in_place_of_100_still_takes_the_body() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send(HEAD).await;
    let mut app = stage.next().await;
    app.head().await;
    app.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 200"));
    client.send("ping").await;
    let body = app.exactly(4).await;
    app.send(&body).await;
    assert_eq!(client.exactly(4).await, "ping");
}

#[tokio::test]
async fn an_application_that_never_asks_gets_the_body_all_the_same() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send(HEAD).await;
    let mut app = stage.next().await;
    app.head().await;
    assert!(client.head().await.starts_with("http/1.1 100"));
    client.send("ping").await;
    assert_eq!(app.exactly(4).await, "ping");
    app.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 204"));
}

#[tokio::test]
async fn a_denied_client_is_told_before_it_sends_its_body() {
    let pair = Pair::http().await;
    pair.script.set_policy("callee", allow(&[]));
    pair.script.acknowledged("callee", &isthmus_api::encode::inbound_key()).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send(HEAD).await;
    let answer = client.head().await;
    assert!(answer.starts_with("http/1.1 403") && answer.contains("x-isthmus-deny: no-grant"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(client.rest().await.starts_with("denied (no-grant)"));
}

#[tokio::test]
async fn expectations_that_mean_nothing_are_not_passed_on() {
    let pair = Pair::http().await;
    for (head, passed_on) in [
        ("POST /headers HTTP/1.0\r\nhost: web\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi", false),
        ("GET /headers HTTP/1.1\r\nhost: web\r\nconnection: close\r\nexpect: 100-continue\r\n\r\n", false),
        ("POST /headers HTTP/1.1\r\nhost: web\r\nconnection: close\r\nexpect: x\r\ncontent-length: 2\r\n\r\nhi", true),
    ] {
        let mut client = Wire::open(pair.caller.call(0)).await;
        client.send(head).await;
        let answer = client.rest().await;
        assert!(answer.contains(" 200 OK") && !answer.contains(" 100 "), "{answer}");
        assert_eq!(answer.contains("expect: "), passed_on, "{answer}");
    }
}

#[tokio::test]
async fn an_expectation_on_http2_is_the_applications_to_judge() {
    let pair = Pair::start(PORT).await;
    app::http((pair.callee.app, PORT).into(), "app").await;
    let mut sender = client::http2(pair.caller.call(0)).await.unwrap();
    let body = http_body_util::Full::new(bytes::Bytes::from_static(b"ping"));
    let request = http::Request::post("http://web/echo").header("expect", "100-continue").body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), field(&response, "x-isthmus-error")), (200, String::new()));
    assert_eq!(client::text(response).await, "ping");
}
