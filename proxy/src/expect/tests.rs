use std::time::Duration;

use super::*;

fn request(version: Version, expect: &str, body: &str) -> Request<String> {
    Request::post("/").version(version).header("expect", expect).body(body.into()).unwrap()
}

fn expectation() -> Expectation {
    Expectation::of(&mut request(Version::HTTP_11, "100-Continue", "body")).unwrap()
}

async fn verdict(hold: &mut Hold) -> Verdict {
    std::future::poll_fn(|cx| hold.poll(cx)).await
}

#[test]
fn only_what_is_defined_is_an_expectation() {
    for (version, expect, body, passed_on) in [
        (Version::HTTP_10, "100-continue", "body", false),
        (Version::HTTP_11, "100-continue", "", false),
        (Version::HTTP_11, "200-ok", "body", true),
    ] {
        let mut request = request(version, expect, body);
        assert!(Expectation::of(&mut request).is_none());
        assert_eq!(request.headers().contains_key("expect"), passed_on, "{version:?} {expect} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_asks_gets_the_body_after_a_while() {
    let (begun, expectation) = (tokio::time::Instant::now(), expectation());
    let mut hold = Hold::new(expectation.clone());
    assert_eq!(verdict(&mut hold).await, Verdict::Send);
    assert!((EXPECT_TIME..EXPECT_TIME + Duration::from_millis(10)).contains(&begun.elapsed()));
    // Sent is sent, whatever the answer.
    assert!(!expectation.answered(StatusCode::EXPECTATION_FAILED));
    assert_eq!(verdict(&mut hold).await, Verdict::Send);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_when_it_is_asked_for() {
    let expectation = expectation();
    let mut hold = Hold::new(expectation.clone());
    assert_eq!(tokio::join!(verdict(&mut hold), async { expectation.wanted() }), (Verdict::Send, ()));
    expectation.over();
    assert_eq!(verdict(&mut hold).await, Verdict::Send);
}

#[tokio::test(start_paused = true)]
async fn a_final_answer_lets_the_body_go_and_its_end_ends_it() {
    let expectation = expectation();
    let mut hold = Hold::new(expectation.clone());
    let refused = async { expectation.answered(StatusCode::UNAUTHORIZED) };
    assert_eq!(tokio::join!(verdict(&mut hold), refused), (Verdict::Drop, true));
    let over = async { expectation.over() };
    assert_eq!(tokio::join!(verdict(&mut hold), over), (Verdict::Drop, ()));
    assert_eq!(verdict(&mut hold).await, Verdict::End);
}

#[tokio::test(start_paused = true)]
async fn a_success_takes_the_body_all_the_same() {
    let expectation = expectation();
    assert!(!expectation.answered(StatusCode::OK));
    expectation.over();
    assert_eq!(verdict(&mut Hold::new(expectation)).await, Verdict::Send);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_complete_at_once_leaves_the_body_whatever_it_says() {
    let expectation = expectation();
    expectation.over();
    assert!(expectation.answered(StatusCode::OK));
    assert_eq!(verdict(&mut Hold::new(expectation)).await, Verdict::End);
}
