//! Interim answers (1xx) other than the one that `Expect` asks for.

use super::{PORT, Pair, Stage, Wire};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn early_hints_reach_the_client_before_the_answer() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    let mut app = None;
    // Kept connections too.
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        let app = match &mut app {
            Some(app) => app,
            none => none.insert(stage.next().await),
        };
        app.head().await;
        for _ in 0..2 {
            app.send(HINTS).await;
            assert_eq!(client.head().await, HINTS.to_ascii_lowercase());
        }
        // All at once, too.
        app.send(&format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}{ANSWER}")).await;
        assert!(client.head().await.starts_with("http/1.1 102 "));
        assert!(client.head().await.starts_with("http/1.1 103 "));
        assert!(client.head().await.starts_with("http/1.1 200 "));
        assert_eq!(client.exactly(2).await, "ok");
    }
}

#[tokio::test]
async fn pipelined_requests_get_their_own_hints_in_order() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send(&"GET / HTTP/1.1\r\nhost: web\r\n\r\n".repeat(5)).await;
    let mut app = stage.next().await;
    for _ in 0..5 {
        app.head().await;
        app.send(&format!("{HINTS}{ANSWER}")).await;
    }
    for _ in 0..5 {
        assert!(client.head().await.starts_with("http/1.1 103 "));
        assert!(client.head().await.starts_with("http/1.1 200 "));
        assert_eq!(client.exactly(2).await, "ok");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_the_answer_alone() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send("GET / HTTP/1.0\r\nhost: web\r\n\r\n").await;
    let mut app = stage.next().await;
    app.head().await;
    app.send(&format!("{HINTS}HTTP/1.1 100 Continue\r\n\r\n{ANSWER}")).await;
    assert!(client.head().await.starts_with("http/1.0 200 "));
    assert_eq!(client.rest().await, "ok");
}
