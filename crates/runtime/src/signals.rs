//! The signals that end a process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or SIGINT cancels. A second such signal ends the process at once, with 128 + its number.
/// Needs a tokio runtime.
pub fn shutdown_token() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let fired = token.clone();
    tokio::spawn(async move {
        let number = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = number, "ending; a second signal ends at once");
        fired.cancel();
        let number = either(&mut terminate, &mut interrupt).await;
        crate::logging::flush();
        std::process::exit(128 + number);
    });
    Ok(token)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> i32 {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
    }
}
