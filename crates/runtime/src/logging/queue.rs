//! Log lines on their way out. They are put into memory, and a thread of their own writes them: a full disk, a pipe that nobody
//! reads or a slow terminal never holds up the one who logs. What doesn't fit is dropped and counted.

use std::{
    io::{self, ErrorKind, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes of lines that wait to be written.
pub const QUEUE_BYTES: usize = 1 << 20;
/// Lines of this time are written together, so that logging costs few wakeups.
const BATCH_TIME: Duration = Duration::from_millis(10);

/// The lines that wait; clones are the same.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to write, or somebody waits for it.
    filled: Condvar,
    /// Something was written, or given up.
    written: Condvar,
    dropped: IntCounter,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// The writer waits for lines, and wants to be told.
    idle: bool,
    /// The writer has lines that it has taken out.
    writing: bool,
    hurry: bool,
}

impl Queue {
    /// Starts the writer's thread.
    pub(super) fn start(out: impl Write + Send + 'static, dropped: IntCounter) -> io::Result<Self> {
        let shared = Shared { state: Mutex::default(), filled: Condvar::new(), written: Condvar::new(), dropped };
        let queue = Self(Arc::new(shared));
        let writer = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || writer.write_to(out))?;
        Ok(queue)
    }

    /// Puts a line in, if there is room.
    pub(super) fn put(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.lines.len() + line.len() > QUEUE_BYTES {
            drop(state);
            return self.0.dropped.inc();
        }
        state.lines.extend_from_slice(line);
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.0.filled.notify_one();
        }
    }

    /// Waits until all lines are out, but no longer than this.
    pub(super) fn flush(&self, limit: Duration) {
        let mut state = self.0.lock();
        state.hurry = true;
        self.0.filled.notify_one();
        let busy = |state: &mut State| state.writing || !state.lines.is_empty();
        let waited = self.0.written.wait_timeout_while(state, limit, busy).unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = waited;
        state.hurry = false;
    }

    fn write_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.0.lock();
            while state.lines.is_empty() {
                state.idle = true;
                state = self.0.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.idle = false;
            let more = self.0.filled.wait_timeout_while(state, BATCH_TIME, |state| !state.hurry);
            let (mut state, _) = more.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.lines, &mut batch);
            state.writing = true;
            drop(state);
            if let Err(unwritten) = write_all(&mut out, &batch) {
                self.0.dropped.inc_by(unwritten);
            }
            batch.clear();
            self.0.lock().writing = false;
            self.0.written.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all lines; on an error the number of those that weren't written whole.
fn write_all(out: &mut impl Write, mut rest: &[u8]) -> Result<(), u64> {
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(written @ 1..) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody has made it non-blocking, and its reader is slow.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(BATCH_TIME),
            Ok(_) | Err(_) => return Err(rest.iter().filter(|byte| **byte == b'\n').count() as u64),
        }
    }
    Ok(())
}

impl Write for &Queue {
    /// Takes a whole line, as the formatter gives it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

#[cfg(test)]
mod tests;
