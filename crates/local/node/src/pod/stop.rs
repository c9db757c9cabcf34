//! Ending a container.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::sandbox::Container;

/// Between two looks whether a container that has only just been started takes signals.
const LOOK: Duration = Duration::from_millis(5);

/// When a container has to have ended; None while it may run. It can only come closer.
pub(super) type Deadline = watch::Receiver<Option<Instant>>;

/// As shells have it: 128 and the signal's number for a process that was killed.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128))).unwrap_or(-1)
}

/// Asks the container to end, and kills it at the deadline.
pub(super) async fn end(container: &mut Container, deadline: Instant, orders: &mut Deadline) -> io::Result<ExitStatus> {
    let mut told = false;
    let mut deadline = deadline;
    let mut listening = true;
    loop {
        if !told && container.listens() {
            told = true;
            container.signal(Signal::SIGTERM);
        }
        tokio::select! {
            status = container.wait() => return status,
            () = sleep_until(deadline) => {
                container.signal(Signal::SIGKILL);
                return container.wait().await;
            }
            () = sleep(LOOK), if !told => {}
            changed = orders.changed(), if listening => {
                listening = changed.is_ok();
                deadline = orders.borrow_and_update().map_or(deadline, |ordered| ordered.min(deadline));
            }
        }
    }
}
