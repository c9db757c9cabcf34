use std::time::Duration;

use super::*;
use crate::limits::DIAL_TURN;

/// All turns, taken.
async fn taken(turns: &Turns) -> Vec<SemaphorePermit<'_>> {
    let mut held = Vec::new();
    for _ in 0..DIALS {
        match turns.next(Instant::now(), true).await {
            Next::Dial(Some(turn)) => held.push(turn),
            other => panic!("{other:?}"),
        }
    }
    held
}

#[tokio::test(start_paused = true)]
async fn so_many_at_once_and_the_next_when_one_is_done() {
    let turns = Turns::default();
    let begun = Instant::now();
    let mut held = taken(&turns).await;
    let (next, ()) = tokio::join!(turns.next(begun + DIAL_TURN, true), async {
        tokio::time::sleep(DIAL_TURN / 2).await;
        held.pop();
    });
    assert!(matches!(next, Next::Dial(Some(_))), "{next:?}");
    assert_eq!(begun.elapsed(), DIAL_TURN / 2);
}

#[tokio::test(start_paused = true)]
async fn a_freed_connection_is_looked_at_by_one_that_can_use_it() {
    let turns = Turns::default();
    let begun = Instant::now();
    let _held = taken(&turns).await;
    let (fresh, any, ()) =
        tokio::join!(turns.next(begun + DIAL_TURN, false), turns.next(begun + DIAL_TURN, true), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            turns.freed();
        });
    assert!(matches!(any, Next::Look), "{any:?}");
    assert!(matches!(fresh, Next::Dial(None)), "{fresh:?}");
    // It was told once: the next waits.
    let next = turns.next(Instant::now() + DIAL_TURN, true).await;
    assert!(matches!(next, Next::Dial(None)), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_while_it_goes_without_a_turn() {
    let turns = Turns::default();
    let begun = Instant::now();
    let _held = taken(&turns).await;
    for _ in 0..3 {
        let next = turns.next(begun + DIAL_TURN, true).await;
        assert!(matches!(next, Next::Dial(None)), "{next:?}");
        assert_eq!(begun.elapsed(), DIAL_TURN);
    }
}
