use isthmus_core::trace::{Collector, Protocol};
use prometheus::Registry;

use super::*;
use crate::{metrics::Direction, trace::attributes::tests::finished};

fn pair() -> (Queue, Export) {
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let collector = Collector::new("http://collector:4317", Protocol::Grpc).unwrap();
    let to = Sender::new(&Settings::new(collector), None).unwrap();
    let (sender, spans) = mpsc::channel(TRACE_QUEUE);
    let full = Arc::<Notify>::default();
    let queue = Queue { sender, full: Arc::clone(&full), metrics: metrics.clone() };
    (queue, Export { spans, full, to, metrics, stop: CancellationToken::new(), lost: false })
}

/// How many spans a batch has, and how long it was waited for.
async fn gathered(export: &mut Export) -> (usize, Duration) {
    let begun = tokio::time::Instant::now();
    (export.gather().await.len(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_out_after_its_period_and_at_once_when_it_is_full() {
    let (queue, mut export) = pair();
    let put = async |count: usize| {
        for _ in 0..count {
            queue.put(finished(Direction::Outbound));
        }
    };
    let (batch, ()) = tokio::join!(gathered(&mut export), async {
        put(1).await;
        tokio::time::sleep(TRACE_PERIOD / 2).await;
        put(2).await;
    });
    assert_eq!(batch, (3, TRACE_PERIOD));
    let early = TRACE_PERIOD / 4;
    let (batch, ()) = tokio::join!(gathered(&mut export), async {
        put(1).await;
        tokio::time::sleep(early).await;
        put(TRACE_BATCH + 10).await;
    });
    assert_eq!(batch, (TRACE_BATCH, early));
    assert_eq!(gathered(&mut export).await.0, 11);
    assert_eq!(queue.metrics.dropped_queue.get(), 0);
}
