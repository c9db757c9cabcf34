use super::*;

#[tokio::test(start_paused = true)]
async fn work_that_heeds_the_signal_finishes() {
    let drain = Drain::new();
    let graceful = drain.graceful().clone();
    drain.spawn(async move { graceful.cancelled().await });
    assert_eq!(drain.len(), 1);
    assert_eq!(drain.finish(Duration::from_secs(5)).await, Drained::Finished);
    assert!(drain.is_empty());
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_is_cut_at_the_deadline() {
    let drain = Drain::new();
    let begun = tokio::time::Instant::now();
    drain.spawn(std::future::pending());
    assert_eq!(drain.finish(Duration::from_secs(5)).await, Drained::Cut(1));
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    tokio::time::timeout(Duration::from_secs(1), drain.tasks.wait()).await.unwrap();
}
