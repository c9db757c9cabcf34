//! Waiting for what controllers do, and saying why it isn't done yet.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::progress::Progress;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Waiting is told of from when it takes longer.
const QUIET: Duration = Duration::from_secs(1);

/// What a look has found.
pub(super) enum Look<T> {
    /// It is done.
    Done(T),
    /// It isn't, and this is why.
    Because(String),
}

/// Looks until it is done; after `within` the last reason is the error.
pub(super) async fn until<T, F>(
    progress: &Progress,
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Look<T>>>,
{
    let looking = async {
        let begun = Instant::now();
        let mut told = String::new();
        loop {
            match look().await? {
                Look::Done(found) => return Ok(found),
                Look::Because(why) if begun.elapsed() >= within => {
                    bail!("{what}: not after {} s: {why}", within.as_secs())
                }
                Look::Because(why) => {
                    if begun.elapsed() >= QUIET && told != why {
                        progress.waiting(what, &why);
                        told = why;
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    };
    progress.step(what, looking).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn what_is_never_done_ends_with_its_last_reason() {
        let progress = Progress::to_stderr();
        let mut count = 0;
        let look = || {
            count += 1;
            let why = format!("look {}", count.min(2));
            async move { Ok(Look::<()>::Because(why)) }
        };
        let error = until(&progress, "bundle trusted", Duration::from_millis(150), look).await.unwrap_err().to_string();
        assert_eq!(error, "bundle trusted: not after 0 s: look 2");
    }

    #[tokio::test]
    async fn what_is_done_is_given_back_and_an_error_ends_the_wait() {
        let progress = Progress::to_stderr();
        let found = until(&progress, "it", QUIET, || async { Ok(Look::Done(7)) }).await.unwrap();
        assert_eq!(found, 7);
        let failed = until(&progress, "it", QUIET, || async { Err::<Look<()>, _>(anyhow::anyhow!("refused")) }).await;
        assert_eq!(failed.unwrap_err().to_string(), "refused");
    }
}
