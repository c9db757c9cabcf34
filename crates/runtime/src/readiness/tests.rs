use super::*;

#[tokio::test]
async fn ready_when_the_last_guard_is_dropped() {
    let ready = Ready::new();
    let (identity, policy, other) = (ready.register("identity"), ready.register("policy"), ready.register("policy"));
    assert_eq!(ready.awaited(), ["identity", "policy"]);
    drop(policy);
    drop(identity);
    assert_eq!(ready.awaited(), ["policy"]);
    let waiter = tokio::spawn({
        let ready = ready.clone();
        async move { ready.wait().await }
    });
    drop(other);
    waiter.await.unwrap();
    assert!(ready.is_ready());
}

#[test]
fn a_stopping_process_is_not_ready() {
    let ready = Ready::new();
    ready.stop();
    assert!(!ready.is_ready());
    assert_eq!(ready.awaited(), ["shutdown"]);
}
