use std::{
    fs::File,
    io::{BufRead, Read},
    sync::mpsc::{self, Receiver, Sender},
    time::Instant,
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(60);

fn counter() -> IntCounter {
    IntCounter::new("dropped", "lines").unwrap()
}

/// A subscriber as the process has it, over a queue.
fn subscriber(queue: &Queue) -> impl tracing::Subscriber + use<> {
    tracing_subscriber::fmt().json().log_internal_errors(false).with_writer(queue.clone()).finish()
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        thread::yield_now();
    }
}

/// Lines put in from here on are of another batch. (The writer says that it writes before it takes the lines out.)
fn eventually_taken_out(queue: &Queue) {
    eventually("taken out", || lock(&queue.shared.state).writing && queue.shared.is_empty());
}

#[test]
fn lines_come_out_in_order_and_whole() {
    let (mut read, write) = io::pipe().unwrap();
    let queue = Queue::start(write, counter()).unwrap();
    tracing::subscriber::with_default(subscriber(&queue), || (0..500).for_each(|n| tracing::info!(n, "line")));
    let mut out = Vec::new();
    let mut piece = [0; 4096];
    while out.iter().filter(|b| **b == b'\n').count() < 500 {
        let n = read.read(&mut piece).unwrap();
        out.extend_from_slice(&piece[..n]);
    }
    let numbers: Vec<usize> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| line.split("\"n\":").nth(1).unwrap().split([',', '}']).next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let dropped = counter();
    let queue = Queue::start(File::options().write(true).open("/dev/full").unwrap(), dropped.clone()).unwrap();
    tracing::subscriber::with_default(subscriber(&queue), || (0..100).for_each(|n| tracing::info!(n, "line")));
    queue.flush(DEADLINE);
    assert_eq!(dropped.get(), 100);
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nobody() {
    let dropped = counter();
    let (mut read, write) = io::pipe().unwrap();
    let queue = Queue::start(write, dropped.clone()).unwrap();
    let line = "x".repeat(1000);
    let subscriber = subscriber(&queue);
    // Twice what queue and pipe can hold; it would hang here if it blocked.
    let lines = 2 * (QUEUE_BYTES + (64 << 10)) / 1000;
    tracing::subscriber::with_default(subscriber, || (0..lines).for_each(|n| tracing::info!(n, line, "line")));
    assert!(dropped.get() > 0 && lock(&queue.common.lines).len() <= QUEUE_BYTES);
    // Somebody reads again: what was kept comes out, and new lines too.
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        let mut piece = vec![0; 64 << 10];
        while !all.ends_with(b"the last\n") {
            let n = read.read(&mut piece).unwrap();
            all.extend_from_slice(&piece[..n]);
        }
        all.iter().filter(|b| **b == b'\n').count()
    });
    queue.flush(DEADLINE);
    queue.put(b"the last\n");
    let out = reader.join().unwrap();
    assert_eq!(out as u64 + dropped.get(), lines as u64 + 1);
}

#[test]
fn a_pipe_whose_reader_has_gone_costs_lines_and_nothing_else() {
    let dropped = counter();
    let (read, write) = io::pipe().unwrap();
    drop(read);
    let queue = Queue::start(write, dropped.clone()).unwrap();
    for _ in 0..3 {
        queue.put(b"a line\n");
        queue.flush(DEADLINE);
    }
    assert_eq!(dropped.get(), 3);
}

/// Takes nothing until it is told to, then fails once.
struct Failing(Receiver<()>, Sender<Vec<u8>>, bool);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.recv().map_err(io::Error::other)?;
        if std::mem::take(&mut self.2) {
            return Err(io::Error::from(ErrorKind::StorageFull));
        }
        self.1.send(bytes.into()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_has_room_again_is_written_to_again() {
    let dropped = counter();
    let ((go, gone), (say, said)) = (mpsc::channel(), mpsc::channel());
    let queue = Queue::start(Failing(gone, say, true), dropped.clone()).unwrap();
    queue.put(b"one\n");
    eventually_taken_out(&queue);
    queue.put(b"two\n");
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(said.recv_timeout(DEADLINE).unwrap(), b"two\n");
    assert_eq!(dropped.get(), 1);
}

#[test]
fn a_full_batch_is_not_waited_for() {
    let ((go, gone), (say, said)) = (mpsc::channel(), mpsc::channel());
    let queue = Queue::start(Failing(gone, say, false), counter()).unwrap();
    queue.put(b"one\n");
    eventually_taken_out(&queue);
    let (half, full) = (vec![b'x'; BATCH_BYTES / 2], || lock(&queue.shared.state).full);
    queue.put(&half);
    assert!(!full());
    queue.put(&half);
    assert!(full());
    (0..2).for_each(|_| go.send(()).unwrap());
    assert_eq!(said.recv_timeout(DEADLINE).unwrap(), b"one\n");
    assert_eq!(said.recv_timeout(DEADLINE).unwrap().len(), BATCH_BYTES);
    assert!(!full());
}

#[test]
fn a_flush_ends_at_its_limit() {
    let (go, gone) = mpsc::channel();
    let (say, _said) = mpsc::channel();
    let queue = Queue::start(Failing(gone, say, false), counter()).unwrap();
    queue.put(b"never out\n");
    queue.flush(Duration::from_millis(20));
    assert!(lock(&queue.shared.state).writing || !queue.shared.is_empty());
    drop(go);
}

#[test]
fn every_lane_comes_out_whole_and_those_that_have_ended_go() {
    let (read, write) = io::pipe().unwrap();
    let queue = Queue::start(write, counter()).unwrap();
    let threads = [0, 1, 2].map(|lane| {
        let own = queue.lane();
        thread::spawn(move || (0..1000).for_each(|n| own.put(|lines| lines.extend(format!("{lane} {n}\n").bytes()))))
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    queue.put(b"the last\n");
    let lines: Vec<String> = io::BufReader::new(read).lines().take(3001).map(Result::unwrap).collect();
    for lane in 0..3 {
        let of = lines.iter().filter_map(|line| line.strip_prefix(&format!("{lane} ")));
        assert!(of.eq((0..1000).map(|n| n.to_string()).collect::<Vec<_>>().iter()), "lane {lane}");
    }
    queue.flush(DEADLINE);
    assert_eq!(lock(&queue.shared.lanes).len(), 1);
}
