//! How long a client may pause within a request's body.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Watches one body. It costs a timer only while the client is being waited for.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// The client has paused for longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stalled;

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, timer: None, waiting: false }
    }

    /// Passes on what came of asking for more; too long a wait for it ends.
    pub(crate) fn poll<T>(&mut self, asked: Poll<T>, cx: &mut Context<'_>) -> Poll<Result<T, Stalled>> {
        if let Poll::Ready(came) = asked {
            self.waiting = false;
            return Poll::Ready(Ok(came));
        }
        let until = Instant::now() + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).map(|()| Err(Stalled))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_single_long_pause_is_too_long() {
        let mut patience = Patience::new(Duration::from_secs(10));
        for _ in 0..5 {
            let mut pause = Box::pin(tokio::time::sleep(Duration::from_secs(9)));
            let waited = poll_fn(|cx| {
                let asked = pause.as_mut().poll(cx);
                patience.poll(asked, cx)
            });
            assert_eq!(waited.await, Ok(()));
        }
        let begun = Instant::now();
        assert_eq!(poll_fn(|cx| patience.poll(Poll::<()>::Pending, cx)).await, Err(Stalled));
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}
