//! What breaks round a sidecar: endpoints, the controller, the machine.

mod dials;
mod resend;
mod rollout;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    app,
    control::Script,
    mesh::{Pod, allow, id},
};

pub const VIP: (&str, u16) = ("10.43.4.4", 80);

/// A caller and two pods behind what it calls.
pub struct Two {
    pub script: Script,
    pub caller: Pod,
    pub one: Pod,
    pub two: Pod,
}

impl Two {
    pub async fn start() -> Self {
        let script = Script::start().await;
        for pod in ["one", "two", "caller"] {
            script.set_policy(pod, allow(&[&id("caller")]));
        }
        let (caller, one, two) = tokio::join!(
            Pod::start(&script, "caller", &[], &[VIP]),
            Pod::start(&script, "one", &[8080], &[]),
            Pod::start(&script, "two", &[8080], &[]),
        );
        Self { script, caller, one, two }
    }
}

/// An application that reads a request's head and says these bytes; how often it was asked.
pub async fn says(addr: SocketAddr, words: &'static [u8]) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    app::tcp(addr, move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            let mut head = Vec::new();
            while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                if stream.read_buf(&mut head).await.is_ok_and(|n| n == 0) {
                    return;
                }
            }
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(words).await;
        }
    })
    .await;
    asked
}
