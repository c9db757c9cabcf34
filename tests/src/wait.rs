//! Waiting for a condition, with a deadline; never for a time.

use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Calls `probe` until it succeeds; after `within` its last error is the test's failure.
pub fn until<T>(what: &str, within: Duration, mut probe: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + within;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("waited {within:?} for {what}")));
            }
            Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}

/// An error that shows both sides, unless they are equal.
pub fn expect_eq<T: PartialEq + Debug>(what: &str, seen: T, asked: T) -> anyhow::Result<()> {
    if seen != asked {
        bail!("{what}: asked for {asked:?}, saw {seen:?}");
    }
    Ok(())
}
