//! Log lines on their way out. They are put into memory, and a thread of their own writes them: a full disk, a pipe that nobody
//! reads or a slow terminal never holds up the one who logs. What doesn't fit is dropped and counted.

use std::{
    io::{self, ErrorKind, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes of lines that wait to be written, in each lane.
pub const QUEUE_BYTES: usize = 1 << 20;
/// Lines of this time are written together, so that logging costs few wakeups.
const BATCH_TIME: Duration = Duration::from_millis(50);
/// A lane with so many bytes is written at once.
const BATCH_BYTES: usize = 64 << 10;
/// Pause before a pipe that is full is tried again.
const FULL_PIPE: Duration = Duration::from_millis(10);

/// The lines that wait, in a lane for each thread that has many, so that none waits for another; clones are the same.
#[derive(Clone)]
pub(super) struct Queue {
    shared: Arc<Shared>,
    /// Of the process's own log.
    common: Lane,
}

/// A way in, for one thread: its lines come out in their order.
#[derive(Clone)]
pub(super) struct Lane {
    lines: Arc<Mutex<Vec<u8>>>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    lanes: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    /// The writer waits for lines, and wants to be told.
    idle: AtomicBool,
    /// There is something to write, or somebody waits for it.
    filled: Condvar,
    /// Something was written, or given up.
    written: Condvar,
    dropped: IntCounter,
}

#[derive(Default)]
struct State {
    /// The writer has lines that it has taken out.
    writing: bool,
    /// Somebody waits for all lines.
    hurry: bool,
    /// A lane has enough for a batch.
    full: bool,
}

impl Lane {
    /// Puts in a line that is written there and then, if there is room.
    pub(super) fn put(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lines = lock(&self.lines);
        let before = lines.len();
        write(&mut lines);
        if lines.len() > QUEUE_BYTES {
            lines.truncate(before);
            drop(lines);
            return self.shared.dropped.inc();
        }
        let full = before < BATCH_BYTES && lines.len() >= BATCH_BYTES;
        drop(lines);
        if full {
            lock(&self.shared.state).full = true;
            self.shared.filled.notify_one();
        }
        // The writer says that it is idle before it looks into the lanes, so a line that it hasn't seen sees this.
        if self.shared.idle.load(Ordering::Acquire) && self.shared.idle.swap(false, Ordering::AcqRel) {
            let _state = lock(&self.shared.state);
            self.shared.filled.notify_one();
        }
    }
}

impl Queue {
    /// Starts the writer's thread.
    pub(super) fn start(out: impl Write + Send + 'static, dropped: IntCounter) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            lanes: Mutex::default(),
            idle: AtomicBool::new(false),
            filled: Condvar::new(),
            written: Condvar::new(),
            dropped,
        });
        let queue = Self { common: shared.lane(), shared };
        let writer = Arc::clone(&queue.shared);
        thread::Builder::new().name("log".into()).spawn(move || writer.write_to(out))?;
        Ok(queue)
    }

    /// A lane of one's own.
    pub(super) fn lane(&self) -> Lane {
        self.shared.lane()
    }

    /// Puts a line in, if there is room.
    pub(super) fn put(&self, line: &[u8]) {
        self.common.put(|lines| lines.extend_from_slice(line));
    }

    /// Waits until all lines are out, but no longer than this.
    pub(super) fn flush(&self, limit: Duration) {
        let mut state = lock(&self.shared.state);
        state.hurry = true;
        self.shared.filled.notify_one();
        let busy = |state: &mut State| state.writing || !self.shared.is_empty();
        let waited = self.shared.written.wait_timeout_while(state, limit, busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.hurry = false;
    }
}

impl Shared {
    fn lane(self: &Arc<Self>) -> Lane {
        let lines = Arc::default();
        lock(&self.lanes).push(Arc::clone(&lines));
        Lane { lines, shared: Arc::clone(self) }
    }

    fn is_empty(&self) -> bool {
        lock(&self.lanes).iter().all(|lines| lock(lines).is_empty())
    }

    fn write_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            drop(self.wait());
            // While lines come it is the clock that wakes this thread, so that they don't have to.
            while self.write_batch(&mut out, &mut batch) {}
        }
    }

    /// Writes the lines of the next moment. Were there any?
    fn write_batch(&self, out: &mut impl Write, batch: &mut Vec<u8>) -> bool {
        let waits = |state: &mut State| !state.hurry && !state.full;
        let waited = self.filled.wait_timeout_while(lock(&self.state), BATCH_TIME, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.writing, state.full) = (true, false);
        drop(state);
        let mut any = false;
        let lanes = lock(&self.lanes).clone();
        for lines in &lanes {
            std::mem::swap(&mut *lock(lines), batch);
            any |= !batch.is_empty();
            if let Err(unwritten) = write_all(out, batch) {
                self.dropped.inc_by(unwritten);
            }
            batch.clear();
        }
        drop(lanes);
        // Its thread has ended, and its last lines are out.
        lock(&self.lanes).retain(|lines| Arc::strong_count(lines) > 1 || !lock(lines).is_empty());
        lock(&self.state).writing = false;
        self.written.notify_all();
        any
    }

    /// Until there are lines.
    fn wait(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        loop {
            self.idle.store(true, Ordering::Release);
            if !self.is_empty() {
                self.idle.store(false, Ordering::Release);
                return state;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes all lines; on an error the number of those that weren't written whole.
fn write_all(out: &mut impl Write, mut rest: &[u8]) -> Result<(), u64> {
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(written @ 1..) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody has made it non-blocking, and its reader is slow.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE),
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
