//! Standard output, on which nobody may be listening any more.

use std::io::{self, Write};

/// Writes text for whoever reads it. That they have gone, as of `isthmus status | head -1`, is no failure.
pub(crate) fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
