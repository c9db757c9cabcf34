//! A mesh for tests. The paths are for the other test program that uses it.

#[path = "support/app.rs"]
pub mod app;
#[path = "support/client.rs"]
pub mod client;
#[path = "support/control.rs"]
pub mod control;
#[path = "support/frames.rs"]
pub mod frames;
#[path = "support/mesh.rs"]
pub mod mesh;
// The other program has no use for it.
#[allow(dead_code)]
#[path = "support/otlp.rs"]
pub mod otlp;
#[path = "support/recorder.rs"]
pub mod recorder;

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Longest that a test waits for anything.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A loopback address of one's own, so that tests and processes don't meet.
pub fn address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = u8::try_from(std::process::id() % 200).unwrap() + 16;
    Ipv4Addr::new(127, process, u8::try_from(n / 250).unwrap(), u8::try_from(n % 250 + 1).unwrap()).into()
}

/// Waits until the condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let begun = std::time::Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a future, but not for ever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}
