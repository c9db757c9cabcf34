//! Containers' output in files: `<directory>/<container>/<start>.log`, each line with its time and stream as container runtimes write it.

mod line;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use read::{LogOptions, read};

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// The longest line that is kept in one piece; a longer one is cut into several.
const LONGEST_LINE: usize = 16 * 1024;

/// The log of one start of a container, open for writing.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    limit: u64,
    file: Mutex<(File, u64)>,
    /// How much has been written, for those who follow; closed when the container has ended and its output is read.
    grown: watch::Sender<u64>,
}

/// The file of a container's nth start.
pub(crate) fn file(directory: &Path, container: &str, start: i32) -> PathBuf {
    directory.join(container).join(format!("{start}.log"))
}

/// Where a log goes when it has grown too long.
fn rotated(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

impl Log {
    /// Creates the file, and removes those of all starts before the last.
    pub(crate) fn create(directory: &Path, container: &str, start: i32, limit: u64) -> io::Result<Arc<Self>> {
        let path = file(directory, container, start);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let old = file(directory, container, start.saturating_sub(2));
        for stale in [rotated(&old), old] {
            match fs::remove_file(stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let open = OpenOptions::new().create(true).append(true).open(&path)?;
        let size = open.metadata()?.len();
        Ok(Arc::new(Log { path, limit, file: Mutex::new((open, size)), grown: watch::Sender::new(0) }))
    }

    /// Is told how much has been written so far; ends with the container's output.
    pub(crate) fn growth(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Appends a line.
    fn write(&self, stream: &str, text: &[u8], whole: bool) -> io::Result<()> {
        let line = line::encode(Timestamp::now(), stream, text, whole);
        let mut file = self.file.lock();
        if file.1 > 0 && file.1.saturating_add(line.len() as u64) > self.limit {
            fs::rename(&self.path, rotated(&self.path))?;
            *file = (OpenOptions::new().create(true).append(true).open(&self.path)?, 0);
        }
        file.0.write_all(&line)?;
        file.1 = file.1.saturating_add(line.len() as u64);
        drop(file);
        self.grown.send_modify(|total| *total = total.saturating_add(line.len() as u64));
        Ok(())
    }
}

/// Copies a process's output into the log until it ends.
pub(crate) async fn copy(log: Arc<Log>, stream: &'static str, output: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut output = BufReader::with_capacity(LONGEST_LINE, output);
    loop {
        let available = output.fill_buf().await?;
        if available.is_empty() {
            return Ok(());
        }
        // A buffer without a line's end is a piece of a longer line, unless more is about to come.
        let (used, text, whole) = match available.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, available.get(..end), true),
            None if available.len() < LONGEST_LINE => {
                let mut piece = Vec::new();
                let read = tokio::io::AsyncReadExt::take(&mut output, LONGEST_LINE as u64)
                    .read_until(b'\n', &mut piece)
                    .await?;
                let whole = piece.pop_if(|byte| *byte == b'\n').is_some() || read < LONGEST_LINE;
                log.write(stream, &piece, whole)?;
                continue;
            }
            None => (available.len(), Some(available), false),
        };
        log.write(stream, text.unwrap_or_default(), whole)?;
        output.consume(used);
    }
}
